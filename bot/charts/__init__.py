"""Values → PNG. A chart is a frozen dataclass of values in its own module here; equal values are one picture."""
