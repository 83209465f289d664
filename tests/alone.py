"""Runs the few tests that failed beside others once more, alone: `python -m tests.alone`.

The machine is shared by three at a time, and now and then a page or a process comes too late for that alone. A test that
fails again is broken. One that passes now is named, since it has to be made patient.
"""

import json
import sys
from pathlib import Path

import pytest

LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
FEW = 5
"""More failures than this are no accident."""


def main() -> int:
    """Run them. The exit code is pytest's, or 1 where nothing may be tried again."""
    failed = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    if not 0 < len(failed) <= FEW:
        return 1
    code = int(pytest.main(["-n", "0", "--at-length", *failed]))
    if code == 0:
        print("Failed beside others and passed alone; make them patient:")  # noqa: T201
        print("\n".join(f"  {name}" for name in failed))  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
