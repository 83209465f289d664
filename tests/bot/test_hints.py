"""What Slack adds to refusals."""

import re
from pathlib import Path

from bot.errors import HINTS, add_hint
from workflows.errors import NotFound


def test_every_hint_that_a_refusal_carries_has_words_and_is_used() -> None:
    sources = (path.read_text() for path in Path("workflows").rglob("*.py"))
    carried = {
        code
        for text in sources
        for code in re.findall(r'hint=(?:None if near else )?"([a-z.]+)"', text)
    }
    assert carried == set(HINTS)


def test_a_refusal_is_followed_by_its_hint() -> None:
    assert add_hint(NotFound("There is none.")) == "There is none."
    refusal = NotFound("There is none.", hint="milestones.list")
    assert add_hint(refusal) == "There is none. `/mlgov milestones` lists yours."


def test_nothing_in_slack_says_a_refusal_without_its_hint() -> None:
    bare = re.compile(r"\b(?:error|refusal|refused)\.sentence\b")
    places = [
        f"{path}: {line.strip()}"
        for name in ("slack", "windows", "messages", "submissions", "delegation", "conditions")
        for path in Path("bot").glob(f"*/{name}.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if bare.search(line) and "Response(" not in line  # MLflow reads that one
    ]
    assert places == []
