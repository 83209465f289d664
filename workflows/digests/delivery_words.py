"""What a digest says about milestones, plain text: which ones and when, never who was late."""

from collections.abc import Iterable, Sequence

from workflows.digests import rules
from workflows.digests.phrases import BARS, BEHIND, DELIVERY, LABELS, short
from workflows.digests.records import Bar, DeliveryFigures, Line, MilestoneFigure, PictureFacts, Row
from workflows.wording import counted, day


def headlines(found: DeliveryFigures) -> list[str]:
    """What of it belongs into the headline: what slipped, else what was met."""
    if found.slipped:
        return [f"{_numbered(found.slipped)} slipped"]
    if found.met:
        was = "was" if len(found.met) == 1 else "were"
        return [f"{_numbered(found.met)} {was} met"]
    return []


def _numbered(found: Sequence[MilestoneFigure]) -> str:
    if all(one.is_launch for one in found):
        return rules.numbered(len(found), "launch", "launches")
    return rules.numbered(len(found), "milestone")


def lines(found: DeliveryFigures) -> list[tuple[int, Line]]:
    """`1 met, 2 slipped, 3 due by Sun 1 Feb`, and which ones slipped."""
    counts = [(len(found.met), "met"), (len(found.slipped), "slipped"), (found.overdue, "overdue")]
    told = [f"{number:,} {word}" for number, word in counts if number]
    if found.due:
        last = max(one.day for one in found.due)
        told.append(f"{len(found.due):,} due by {day(last)}")
    if not told:
        return []
    made = [(2, Line(DELIVERY, LABELS[DELIVERY], f"Milestones: {', '.join(told)}"))]
    if found.slipped:
        names = rules.listed([_slip(one) for one in found.slipped])
        made.append((3, Line(DELIVERY, "Slipped", names)))
    elif found.due:
        names = rules.listed([f"{_name(one)} on {day(one.day)}" for one in found.due])
        made.append((5, Line(DELIVERY, "Due next", names)))
    return made


def _name(one: MilestoneFigure) -> str:
    return f"{short(one.title)}, {short(one.project)}"


def _slip(one: MilestoneFigure) -> str:
    return f"{_name(one)} ({_by(one)})"


def _by(one: MilestoneFigure) -> str:
    """`12 days, now Mon 16 Feb`, or `3 days, due since Fri 23 Jan`."""
    when = "due since" if one.is_overdue else "now"
    return f"{counted(one.slip, 'day')}, {when} {day(one.day)}"


def rows(found: DeliveryFigures) -> tuple[Row, ...]:
    """Each one that was met, slipped or is due, with its day."""
    made = [
        Row(f"Slipped {_by(one)}: {one.title}, {one.project}", milestone_id=one.milestone_id)
        for one in found.slipped
    ]
    made += [
        Row(
            f"Met {day(one.day)}{_against(one.slip)}: {one.title}, {one.project}",
            milestone_id=one.milestone_id,
        )
        for one in found.met
    ]
    made += [
        Row(f"Due {day(one.day)}: {one.title}, {one.project}", milestone_id=one.milestone_id)
        for one in found.due
    ]
    kept = made[: BEHIND - 2]
    if len(made) > len(kept):
        kept.append(Row(f"…and {len(made) - len(kept)} more"))
    if found.overdue:
        kept.append(Row(f"{counted(found.overdue, 'milestone')} overdue in all"))
    return tuple(kept)


def _against(slip: int) -> str:
    if slip > 0:
        return f", {counted(slip, 'day')} after the first promise"
    if slip < 0:
        return f", {counted(-slip, 'day')} early"
    return ", on time"


def pictures(found: DeliveryFigures) -> Iterable[PictureFacts]:
    """By how much milestones slipped, where there is something to compare."""
    if len(found.slipped) < 2:
        return
    worst = found.slipped[0]
    yield PictureFacts(
        part=DELIVERY,
        title=f"{worst.title}, {worst.project} slipped most, {counted(worst.slip, 'day')}",
        unit="days",
        bars=tuple(
            Bar(f"{one.title}, {one.project}", float(one.slip), _by(one))
            for one in found.slipped[:BARS]
        ),
    )
