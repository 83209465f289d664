"""How requests ended and how long that took, from statements by way of pandas frames; never one person's own pace.

What a reader is told of pace is about whole blocks of requests: each is decided by at least five people, nobody has a
part in more than half of it, and it is counted as a whole or not at all. So two figures of one reader differ by whole
blocks and never by somebody's decisions. Heavy: imported only where a digest is made.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy.orm import Session

from storage.digests import figures as statements
from storage.enums import ApprovalState
from workflows.digests import rules
from workflows.digests.records import ApprovalFigures
from workflows.disclosure import rules as control
from workflows.disclosure import service as disclosure
from workflows.disclosure.service import DisclosureBatch
from workflows.visibility import Sight

REQUESTS = "requests"
"""The part of a reader's disclosures that says which requests their figures of pace have counted."""


def _frame(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame([tuple(row) for row in rows], columns=list(columns), dtype=object)


def gather_approvals(
    session: Session,
    sight: Sight,
    *,
    reader: str,
    telling: DisclosureBatch | None,
    since: datetime,
    until: datetime,
    now: datetime,
) -> ApprovalFigures:
    """What ended in the week, what waits, and how long decisions took in the four weeks up to its end.

    With `telling` the reader is going to be told, and what of is added to it; without, no pace is told that they were
    not told before.
    """
    measured_since = until - rules.MEASURED
    ended = _frame(
        statements.list_ended_requests(session, sight.within, measured_since, until),
        ["approval_id", "project_id", "state", "created_at", "decided_at"],
    )
    week = ended[ended["decided_at"] >= since] if len(ended) else ended
    counts = week["state"].value_counts()
    verdicts = _frame(
        statements.list_verdicts(session, sight.within, measured_since, until),
        ["approval_id", "position", "stage", "person_id", "at"],
    )
    decided = ended[
        ended["state"].isin([ApprovalState.APPROVED.value, ApprovalState.REJECTED.value])
    ]
    blocks = _tellable_blocks(session, reader, decided, verdicts, telling=telling, now=now)
    counted = decided[decided["approval_id"].isin(set().union(*blocks))]
    return ApprovalFigures(
        # What was approved that week and lapsed since was approved all the same.
        approved=int(counts.get(ApprovalState.APPROVED.value, 0))
        + int(counts.get(ApprovalState.LAPSED.value, 0)),
        rejected=int(counts.get(ApprovalState.REJECTED.value, 0)),
        expired=int(counts.get(ApprovalState.EXPIRED.value, 0)),
        withdrawn=int(counts.get(ApprovalState.WITHDRAWN.value, 0)),
        waiting=statements.count_pending(session, sight.within, now),
        measured=len(counted),
        median=_median(counted["decided_at"], counted["created_at"]) if len(counted) else None,
        slowest=_slowest(counted, verdicts, blocks) if len(counted) else None,
    )


def _tellable_blocks(
    session: Session,
    reader: str,
    decided: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    telling: DisclosureBatch | None,
    now: datetime,
) -> list[set[int]]:
    """The requests whose pace this reader may be told, block by block; a new one where enough came since the last."""
    scope = f"pace:{reader}"
    entries = disclosure.list_told(session, scope).get(REQUESTS, [])
    here = {
        int(id_): ended.isoformat()
        for id_, ended in zip(decided["approval_id"], decided["decided_at"], strict=True)
    }
    # Whole and as it was: a request that was opened again and decided anew would show by itself what it took.
    blocks = [
        set(one.members)
        for one in entries
        if all(here.get(id_) == one.figures["decided"][str(id_)] for id_ in one.members)
    ]
    if telling is None:
        return blocks
    waiting = set(here).difference(*(one.members for one in entries))
    people = {
        int(str(id_)): set(rows["person_id"]) for id_, rows in verdicts.groupby("approval_id")
    }
    new = control.capped(
        {id_: people[id_] for id_ in waiting if people.get(id_)}, fewest=rules.ENOUGH_PEOPLE
    )
    if new:
        telling.add(
            scope,
            REQUESTS,
            after=entries,
            audience=reader,
            members=list(new),
            figures={"decided": {str(id_): here[id_] for id_ in new}},
            now=now,
        )
        blocks.append(set(new))
    return blocks


def _median(ends: "pd.Series[Any]", begins: "pd.Series[Any]") -> timedelta:
    seconds = sorted((end - begin).total_seconds() for end, begin in zip(ends, begins, strict=True))
    return timedelta(seconds=float(pd.Series(seconds).median()))


def _slowest(
    decided: pd.DataFrame, verdicts: pd.DataFrame, blocks: Sequence[Collection[int]]
) -> tuple[str, timedelta] | None:
    """The stage whose median is the longest, of at least two whose pace may be told.

    A stage lasts from when it was asked (the end of the one before, or the asking) to its last verdict.
    """
    counted = verdicts[verdicts["approval_id"].isin(set(decided["approval_id"]))]
    ends = counted.groupby(["approval_id", "position", "stage"], sort=True)["at"].max()
    stages = ends.reset_index().rename(columns={"at": "end"})
    stages["begin"] = stages.groupby("approval_id")["end"].shift(1)
    asked = dict(zip(decided["approval_id"], decided["created_at"], strict=True))
    stages["begin"] = [
        asked[approval] if position == 0 or pd.isna(begin) else begin
        for approval, position, begin in zip(
            stages["approval_id"], stages["position"], stages["begin"], strict=True
        )
    ]
    within: dict[str, set[int]] = {}
    for block in blocks:
        for stage in _tellable(verdicts[verdicts["approval_id"].isin(set(block))]):
            within.setdefault(stage, set()).update(block)
    medians: dict[str, timedelta] = {}
    for name, rows in stages.groupby("stage", sort=True):
        tellable = rows[rows["approval_id"].isin(within.get(str(name), set()))]
        if len(tellable):
            medians[str(name)] = _median(tellable["end"], tellable["begin"])
    if len(medians) < 2:
        return None
    stage = max(medians, key=lambda name: (medians[name], name))
    return stage, medians[stage]


def _tellable(verdicts: pd.DataFrame) -> list[str]:
    """The stages of a block whose pace may be told: enough people decided, nobody in more than half of its requests.

    None where the others were decided by too few people together: taking what is told from the whole would tell theirs.
    """
    tellable, few = [], set[str]()
    for stage, rows in verdicts.groupby("stage"):
        requests = {
            int(str(id_)): set(some["person_id"]) for id_, some in rows.groupby("approval_id")
        }
        if len(control.capped(requests, fewest=rules.ENOUGH_PEOPLE)) == len(requests):
            tellable.append(str(stage))
        else:
            few |= set(rows["person_id"])
    return [] if few and len(few) < rules.ENOUGH_PEOPLE else tellable
