"""What a digest says about milestones, plain text: which ones and when, never who was late."""

from collections.abc import Iterable, Sequence

from workflows.digests import rules
from workflows.digests.phrases import BARS, BEHIND, DELIVERY, LABELS, short
from workflows.digests.records import Bar, DeliveryFigures, Line, MilestoneFigure, PictureFacts, Row
from workflows.wording import counted, day


def headlines(figures: DeliveryFigures) -> list[str]:
    """What of it belongs into the headline: what slipped, else what was met."""
    if figures.slipped:
        return [f"{_numbered(figures.slipped)} slipped"]
    if figures.met:
        was = "was" if len(figures.met) == 1 else "were"
        return [f"{_numbered(figures.met)} {was} met"]
    return []


def _numbered(milestones: Sequence[MilestoneFigure]) -> str:
    if all(milestone.is_launch for milestone in milestones):
        return rules.numbered(len(milestones), "launch", "launches")
    return rules.numbered(len(milestones), "milestone")


def lines(figures: DeliveryFigures) -> list[tuple[int, Line]]:
    """`1 met, 2 slipped, 3 due by Sun 1 Feb`, and which ones slipped."""
    counts = [
        (len(figures.met), "met"),
        (len(figures.slipped), "slipped"),
        (figures.overdue, "overdue"),
    ]
    phrases = [f"{number:,} {word}" for number, word in counts if number]
    if figures.due:
        last = max(milestone.day for milestone in figures.due)
        phrases.append(f"{len(figures.due):,} due by {day(last)}")
    if not phrases:
        return []
    numbered_lines = [(2, Line(DELIVERY, LABELS[DELIVERY], f"Milestones: {', '.join(phrases)}"))]
    if figures.slipped:
        names = rules.listed([_slip(milestone) for milestone in figures.slipped])
        numbered_lines.append((3, Line(DELIVERY, "Slipped", names)))
    elif figures.due:
        names = rules.listed(
            [f"{_name(milestone)} on {day(milestone.day)}" for milestone in figures.due]
        )
        numbered_lines.append((5, Line(DELIVERY, "Due next", names)))
    return numbered_lines


def _name(milestone: MilestoneFigure) -> str:
    return f"{short(milestone.title)}, {short(milestone.project)}"


def _slip(milestone: MilestoneFigure) -> str:
    return f"{_name(milestone)} ({_by(milestone)})"


def _by(milestone: MilestoneFigure) -> str:
    """`12 days, now Mon 16 Feb`, or `3 days, due since Fri 23 Jan`."""
    when = "due since" if milestone.is_overdue else "now"
    return f"{counted(milestone.slip, 'day')}, {when} {day(milestone.day)}"


def rows(figures: DeliveryFigures) -> tuple[Row, ...]:
    """Each one that was met, slipped or is due, with its day."""
    rows = [
        Row(
            f"Slipped {_by(milestone)}: {milestone.title}, {milestone.project}",
            milestone_id=milestone.milestone_id,
        )
        for milestone in figures.slipped
    ]
    rows += [
        Row(
            f"Met {day(milestone.day)}{_against(milestone.slip)}: {milestone.title}, {milestone.project}",
            milestone_id=milestone.milestone_id,
        )
        for milestone in figures.met
    ]
    rows += [
        Row(
            f"Due {day(milestone.day)}: {milestone.title}, {milestone.project}",
            milestone_id=milestone.milestone_id,
        )
        for milestone in figures.due
    ]
    kept = rows[: BEHIND - 2]
    if len(rows) > len(kept):
        kept.append(Row(f"…and {len(rows) - len(kept)} more"))
    if figures.overdue:
        kept.append(Row(f"{counted(figures.overdue, 'milestone')} overdue in all"))
    return tuple(kept)


def _against(slip: int) -> str:
    if slip > 0:
        return f", {counted(slip, 'day')} after the first promise"
    if slip < 0:
        return f", {counted(-slip, 'day')} early"
    return ", on time"


def pictures(figures: DeliveryFigures) -> Iterable[PictureFacts]:
    """By how much milestones slipped, where there is something to compare."""
    if len(figures.slipped) < 2:
        return
    worst = figures.slipped[0]
    yield PictureFacts(
        part=DELIVERY,
        title=f"{worst.title}, {worst.project} slipped most, {counted(worst.slip, 'day')}",
        unit="days",
        bars=tuple(
            Bar(f"{milestone.title}, {milestone.project}", float(milestone.slip), _by(milestone))
            for milestone in figures.slipped[:BARS]
        ),
    )
