"""The house gets no harder to live in: each measure may fall, and a goal that is reached is kept."""

import pytest

from tests.house import page, picture
from tests.house.measures import MEASURES, Measure


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_no_measure_rises(measure: Measure) -> None:
    places = list(measure.places())
    assert len(places) <= measure.most, (
        f"{len(places)} {measure.name} instead of {measure.most}:\n" + "\n".join(places)
    )


def test_the_picture_of_the_house_is_true() -> None:
    assert picture.FILE.read_text(encoding="utf-8") == picture.svg(), (
        f"`{page.COMMAND}` draws it anew"
    )
