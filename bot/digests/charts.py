"""The pictures of a digest, from the facts that it keeps."""

from bot.charts.bars import Bars, Row
from bot.pictures import Picture
from workflows.digests.records import PictureFacts


def chart(facts: PictureFacts) -> Bars:
    """What is drawn."""
    return Bars(
        tuple(Row(bar.name, bar.value, bar.words, bar.is_marked) for bar in facts.bars),
        facts.limit,
        facts.limit_words,
    )


def picture(facts: PictureFacts) -> Picture:
    """The picture with its title, which states the answer, and its numbers in words."""
    return Picture(chart(facts), facts.title, facts.alt)
