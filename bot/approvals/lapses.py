"""What is left of earlier messages once an approval has lapsed: one message tells it, and these get shorter."""

from bot import blocks
from bot.approvals import words
from bot.rendering import Rendered
from storage.enums import ApprovalState
from workflows.approvals.records import Card


def describe_earlier(record: Card, person_id: str) -> Rendered | None:
    """A message from before the lapse, to somebody who gets one of its own about that; None for everything else."""
    hears = {record.requester.id, *(line.person.id for line in record.lines)}
    for each in record.conditions:
        hears |= {each.owner.id, each.setter.id}
    if record.state is not ApprovalState.LAPSED or person_id not in hears:
        return None
    what = words.asks(record)
    return Rendered(
        f"{words.state(record).split()[-1]}: {what}",
        [blocks.section(f"*{words.state(record)}* · {what}")],
        is_final=True,
    )
