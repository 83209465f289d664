"""CONTRIBUTING.md names files and names that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILE = r"`((?:bot|workflows|storage|sandbox|tests|docs|deploy)/[\w/<>.]+)`"


def places(written: str) -> list[Path]:
    """The files that are meant; `<noun>` stands for each of them that has such a file."""
    return sorted(ROOT.glob(written.replace("<noun>", "*").rstrip("/")))


def test_files_that_are_named_are_there() -> None:
    named = set(re.findall(FILE, TEXT))
    assert len(named) > 15
    assert not [written for written in sorted(named) if not places(written)]


def test_what_stands_in_a_file_stands_there() -> None:
    pairs = re.findall(rf"`([\w.]+)`[^`\n]{{0,12}} (?:of|in) {FILE}", TEXT)
    assert len(pairs) > 7
    for name, written in pairs:
        texts = [path.read_text(encoding="utf-8") for path in places(written) if path.is_file()]
        word = name.rpartition(".")[2]
        assert any(word in text for text in texts), f"{name} is not in {written}"
