"""What is persisted or published is what the frozen file says."""

import difflib

import pytest

from tests.frozen.document import COMMAND, FILE, text


@pytest.mark.timeout(300)
def test_what_is_persisted_or_published_is_written_down() -> None:
    now, kept = text().splitlines(), FILE.read_text(encoding="utf-8").splitlines()
    moved = [line for line in difflib.ndiff(kept, now) if line[:1] in "+-"] if now != kept else []
    assert not moved, (
        f"{len(moved)} lines of {FILE.name} moved: a database, a message or a program still says the old ones.\n"
        f"Where that is meant, `{COMMAND}` writes the file anew.\n" + "\n".join(moved[:60])
    )
