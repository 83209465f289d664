"""The governance: what may happen, who decides it and what follows. Knows neither Slack nor the web."""
