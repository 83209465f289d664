"""What the process that loads a model is asked, and what it answers; both as JSON."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Format = Literal["skops", "pickle", "cloudpickle"]


class Asked(BaseModel):
    """Load this model, and see what shuffling each column does to its score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Where the serialized model lies."""
    format: Format
    data: str
    """Where the table of cases lies: CSV (also gzipped) or Parquet."""
    target: str
    """The column with what was true."""
    scoring: str | None = None
    """One of scikit-learn's scorers; the model's own `score` when left out."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 5
    rows: Annotated[int, Field(ge=10, le=1_000_000)] = 10_000
    """At most so many cases, drawn at random with the same seed each time."""
    run_code: bool = False
    """Whether code that the model brings along may run: it always does with pickle."""
    memory_mb: int = 4096
    needs_isolation: bool = True
    """Whether to give up where the network cannot be taken away."""
    seconds: float = 300.0
    """How long it may compute."""
    is_sandboxed: bool = False
    """Whether it runs in a box of its own already, without a network."""


class Answered(BaseModel):
    """How much worse the score gets when a column is shuffled, or why that could not be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: str = ""
    features: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    score: float = 0.0
    """With nothing shuffled."""
    scored_by: str = ""
    rows: int = 0
    kind: str = ""
    """The model's class."""
    warnings: tuple[str, ...] = ()
