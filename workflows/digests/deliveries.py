"""What became of milestones in a week, from statements by way of pandas frames. Heavy: imported only where a digest is made."""

from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy.orm import Session

from storage.digests import figures as statements
from storage.enums import MilestoneType
from workflows.digests.records import DeliveryFigures, MilestoneFigure
from workflows.visibility import Sight

_COLUMNS = ["milestone_id", "title", "type", "project", "forecast"]


def gather_deliveries(
    session: Session,
    sight: Sight,
    *,
    first_day: date,
    since: datetime,
    until: datetime,
    today: date,
) -> DeliveryFigures:
    """Met, slipped and due milestones over what somebody may see; `today` is the reader's."""
    last_day = first_day + timedelta(days=6)
    met = pd.DataFrame(
        statements.list_milestones_met(session, sight.within, first_day, last_day),
        columns=[*_COLUMNS, "actual", "baseline"],
        dtype=object,
    )
    due = statements.list_milestones_open(session, sight.within, today, today + timedelta(days=6))
    return DeliveryFigures(
        today=today,
        met=tuple(_figure(row, row.actual, (row.actual - row.baseline).days) for row in _rows(met)),
        slipped=_slipped(session, sight, first_day, last_day, since, until, today),
        due=tuple(_figure(row, row.forecast, 0) for row in due),
        overdue=statements.count_overdue(session, sight.within, today),
    )


def _slipped(
    session: Session,
    sight: Sight,
    first_day: date,
    last_day: date,
    since: datetime,
    until: datetime,
    today: date,
) -> tuple[MilestoneFigure, ...]:
    """What was put off, by its first and last date of the week; and what fell due in the week and is still open."""
    moved = pd.DataFrame(
        statements.list_milestones_moved(session, sight.within, since, until),
        columns=[*_COLUMNS, "old", "new"],
        dtype=object,
    )
    slipped: dict[int, MilestoneFigure] = {}
    groups = moved.groupby("milestone_id", sort=True) if len(moved) else ()
    for number, moves in groups:
        slip = (moves["new"].iloc[-1] - moves["old"].iloc[0]).days
        if slip > 0:
            (row,) = _rows(moves.tail(1))
            slipped[int(str(number))] = _figure(row, row.new, slip)
    for row in statements.list_milestones_open(session, sight.within, first_day, last_day):
        if row.forecast < today:
            slip = (today - row.forecast).days
            before = slipped.get(row.milestone_id)
            slip += before.slip if before is not None else 0
            slipped[row.milestone_id] = _figure(row, row.forecast, slip, is_overdue=True)
    return tuple(
        sorted(slipped.values(), key=lambda figure: (-figure.slip, figure.day, figure.milestone_id))
    )


def _rows(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples(index=False))


def _figure(row: Any, day: date, slip: int, *, is_overdue: bool = False) -> MilestoneFigure:
    return MilestoneFigure(
        int(row.milestone_id),
        row.title,
        row.project,
        row.type == MilestoneType.DEPLOYED.value,
        day,
        slip,
        is_overdue,
    )
