"""What a digest says about approvals, plain text: never how long one person took."""

from workflows.digests import rules
from workflows.digests.phrases import APPROVALS, LABELS
from workflows.digests.records import Figures, Line, Row
from workflows.wording import counted, span


def lines(figures: Figures) -> list[tuple[int, Line]]:
    found = figures.approvals
    told = _ended(found.approved, found.rejected, found.expired, found.withdrawn)
    others = max(0, found.waiting - figures.waiting)
    parts = [told] if told else []
    if others:
        parts.append(f"{counted(others, 'request')} with others")
    if found.median is not None:
        parts.append(f"half of the last 4 weeks' {found.measured} took under {span(found.median)}")
    if found.slowest is not None:
        parts.append(f"slowest stage: {found.slowest[0]}, {span(found.slowest[1])}")
    if not parts:
        return []
    return [(4, Line(APPROVALS, LABELS[APPROVALS], "; ".join(parts)))]


def _ended(approved: int, rejected: int, expired: int, withdrawn: int) -> str:
    told = [
        f"{number:,} {word}"
        for number, word in (
            (approved, "approved"),
            (rejected, "rejected"),
            (expired, "expired"),
            (withdrawn, "withdrawn"),
        )
        if number
    ]
    return f"{rules.joined(told)} this week" if told else ""


def rows(figures: Figures) -> tuple[Row, ...]:
    found = figures.approvals
    ended = _ended(found.approved, found.rejected, found.expired, found.withdrawn)
    rows = [
        Row((ended or "No request ended this week") + "."),
        Row(
            f"{counted(found.waiting, 'request')} about these projects {'waits' if found.waiting == 1 else 'wait'} now."
        ),
    ]
    if found.median is None:
        rows.append(
            Row(
                f"How long decisions take is told once {rules.ENOUGH_PEOPLE} different people have decided within four "
                "weeks and nobody had a part in more than half of it; else it would tell somebody's own pace. A preview "
                "tells no more of it than your last digest did."
            )
        )
    else:
        rows.append(
            Row(
                f"Half of {counted(found.measured, 'request')} that were decided in the last four weeks took less than "
                f"{span(found.median)} from asking to the last decision. Where somebody decides more than half, some of "
                "theirs are left out."
            )
        )
        if found.slowest is not None:
            rows.append(
                Row(
                    f"The slowest stage was {found.slowest[0]}: half of its decisions took longer than {span(found.slowest[1])}. "
                    f"Stages in which fewer than {rules.ENOUGH_PEOPLE} people decided, or one of them in more than half, aren't compared."
                )
            )
    return tuple(rows)
