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
