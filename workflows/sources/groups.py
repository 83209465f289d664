"""Groups of people as `mlgov fairness --json` writes them: counts, never rows."""

import json
from typing import Any

from workflows.errors import InvalidInput

MOST_BYTES = 2_000_000


def read(data: bytes, *, name: str = "The file") -> dict[str, Any]:
    """The counts in such a file. Raises InvalidInput for anything else."""
    try:
        parsed = json.loads(data) if len(data) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        parsed = None
    counts = parsed.get("counts", parsed) if isinstance(parsed, dict) else None
    if not isinstance(counts, dict) or "counted" not in counts:
        raise InvalidInput(
            f"{name} does not hold groups as `mlgov fairness --json` writes them.", field="file"
        )
    return counts
