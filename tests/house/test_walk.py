"""How many files a click enters: the figures may fall, and never rise unseen."""

import pytest

from tests.house.walk import figures, told, walked

MOST = {
    "files": 62,  # the goal is 25
    "service's files": 33,  # the goal is 12
    "service's returns": 25,  # the goal is 3
}
"""Of an approve click, the first of two in its stage; what each means stands in `walk`."""


@pytest.mark.slow
def test_an_approve_click_enters_few_files() -> None:
    walk = walked("approve")["approve"]
    found = figures(walk)
    for what, most in MOST.items():
        assert found[what] <= most, f"{found[what]} {what}:\n" + "\n".join(told(walk))
