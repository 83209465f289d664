"""How requests ended and how long that took, from statements by way of pandas frames; never one person's own pace.

Heavy: imported only where a digest is made.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy.orm import Session

from storage.digests import figures as statements
from storage.enums import ApprovalState
from workflows.digests import rules
from workflows.digests.records import ApprovalFigures
from workflows.visibility import Sight


def _frame(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [tuple(row) for row in rows], columns=list(columns), dtype=object
    )


def gather(
    session: Session, sight: Sight, *, since: datetime, until: datetime, now: datetime
) -> ApprovalFigures:
    """What ended in the week, what waits, and how long decisions took in the four weeks up to its end."""
    measured_since = until - rules.MEASURED
    ended = _frame(
        statements.ended_requests(session, sight.within, measured_since, until),
        ["approval_id", "project_id", "state", "created_at", "decided_at"],
    )
    week = ended[ended["decided_at"] >= since] if len(ended) else ended
    counts = week["state"].value_counts()
    verdicts = _frame(
        statements.verdicts(session, sight.within, measured_since, until),
        ["approval_id", "position", "stage", "person_id", "at"],
    )
    decided = ended[
        ended["state"].isin(
            [ApprovalState.APPROVED.value, ApprovalState.REJECTED.value]
        )
    ]
    enough = verdicts["person_id"].nunique() >= rules.ENOUGH_PEOPLE
    return ApprovalFigures(
        # What was approved that week and lapsed since was approved all the same.
        approved=int(counts.get(ApprovalState.APPROVED.value, 0))
        + int(counts.get(ApprovalState.LAPSED.value, 0)),
        rejected=int(counts.get(ApprovalState.REJECTED.value, 0)),
        expired=int(counts.get(ApprovalState.EXPIRED.value, 0)),
        withdrawn=int(counts.get(ApprovalState.WITHDRAWN.value, 0)),
        waiting=statements.count_pending(session, sight.within, now),
        measured=len(decided) if enough else 0,
        median=_median(decided["decided_at"], decided["created_at"])
        if enough and len(decided)
        else None,
        slowest=_slowest(decided, verdicts) if enough and len(decided) else None,
    )


def _median(ends: "pd.Series[Any]", begins: "pd.Series[Any]") -> timedelta:
    seconds = sorted(
        (end - begin).total_seconds() for end, begin in zip(ends, begins, strict=True)
    )
    return timedelta(seconds=float(pd.Series(seconds).median()))


def _slowest(
    decided: pd.DataFrame, verdicts: pd.DataFrame
) -> tuple[str, timedelta] | None:
    """The stage whose median is the longest, of at least two in each of which enough people decided.

    A stage lasts from when it was asked (the end of the one before, or the asking) to its last verdict. None as well
    when the stages that are left out were decided by too few people together: taking what is told from the whole
    would tell their pace.
    """
    people = {
        str(stage): set(rows["person_id"]) for stage, rows in verdicts.groupby("stage")
    }
    few = [one for one in people.values() if len(one) < rules.ENOUGH_PEOPLE]
    if few and len(set().union(*few)) < rules.ENOUGH_PEOPLE:
        return None
    ends = verdicts.groupby(["approval_id", "position", "stage"], sort=True)["at"].max()
    stages = ends.reset_index().rename(columns={"at": "end"})
    stages["begin"] = stages.groupby("approval_id")["end"].shift(1)
    asked = dict(zip(decided["approval_id"], decided["created_at"], strict=True))
    stages["begin"] = [
        asked[approval] if position == 0 or pd.isna(begin) else begin
        for approval, position, begin in zip(
            stages["approval_id"], stages["position"], stages["begin"], strict=True
        )
    ]
    medians = {
        str(stage): _median(rows["end"], rows["begin"])
        for stage, rows in stages.groupby("stage", sort=True)
        if len(people[str(stage)]) >= rules.ENOUGH_PEOPLE
    }
    if len(medians) < 2:
        return None
    stage = max(medians, key=lambda name: (medians[name], name))
    return stage, medians[stage]
