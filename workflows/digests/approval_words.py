"""What a digest says about approvals, plain text: never how long one person took."""

from workflows.digests import rules
from workflows.digests.phrases import APPROVALS, LABELS
from workflows.digests.records import Figures, Line, Row
from workflows.wording import counted, span


def lines(figures: Figures) -> list[tuple[int, Line]]:
    approvals = figures.approvals
    ended = _ended(approvals.approved, approvals.rejected, approvals.expired, approvals.withdrawn)
    elsewhere = max(0, approvals.waiting - figures.waiting)
    parts = [ended] if ended else []
    if elsewhere:
        parts.append(f"{counted(elsewhere, 'request')} with others")
    if approvals.median is not None:
        parts.append(
            f"half of the last 4 weeks' {approvals.measured} took under {span(approvals.median)}"
        )
    if approvals.slowest is not None:
        parts.append(f"slowest stage: {approvals.slowest[0]}, {span(approvals.slowest[1])}")
    if not parts:
        return []
    return [(4, Line(APPROVALS, LABELS[APPROVALS], "; ".join(parts)))]


def _ended(approved: int, rejected: int, expired: int, withdrawn: int) -> str:
    counts = [
        f"{number:,} {word}"
        for number, word in (
            (approved, "approved"),
            (rejected, "rejected"),
            (expired, "expired"),
            (withdrawn, "withdrawn"),
        )
        if number
    ]
    return f"{rules.joined(counts)} this week" if counts else ""


def rows(figures: Figures) -> tuple[Row, ...]:
    approvals = figures.approvals
    ended = _ended(approvals.approved, approvals.rejected, approvals.expired, approvals.withdrawn)
    rows = [
        Row((ended or "No request ended this week") + "."),
        Row(
            f"{counted(approvals.waiting, 'request')} about these projects {'waits' if approvals.waiting == 1 else 'wait'} now."
        ),
    ]
    if approvals.median is None:
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
                f"Half of {counted(approvals.measured, 'request')} that were decided in the last four weeks took less than "
                f"{span(approvals.median)} from asking to the last decision. Where somebody decides more than half, some of "
                "theirs are left out."
            )
        )
        if approvals.slowest is not None:
            rows.append(
                Row(
                    f"The slowest stage was {approvals.slowest[0]}: half of its decisions took longer than {span(approvals.slowest[1])}. "
                    f"Stages in which fewer than {rules.ENOUGH_PEOPLE} people decided, or one of them in more than half, aren't compared."
                )
            )
    return tuple(rows)
