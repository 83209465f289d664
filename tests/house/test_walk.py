"""How many files an act enters: the figures may fall, and never rise unseen; the page for newcomers names these files."""

import pytest

from tests.house import page
from tests.house.walk import ACTS, figures, told, walked

MOST = {
    "files": 50,  # the goal is 25
    "service's files": 26,  # the goal is 12
    "service's returns": 18,  # the goal is 3
}
"""Of an approve click, the first of two in its stage; what each means stands in `walk`."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ACTS)
def test_an_act_enters_few_files_and_the_page_names_them(name: str) -> None:
    walk = walked(name)[name]
    if name == "approve":
        found = figures(walk)
        for what, most in MOST.items():
            assert found[what] <= most, f"{found[what]} {what}:\n" + "\n".join(told(walk))
    named = page.files_in(page.PAGE.read_text(encoding="utf-8"), name)
    assert named == set(walk.files()), f"`{page.COMMAND}` writes the page anew"
