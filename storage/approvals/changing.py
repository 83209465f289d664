"""What is changed on requests, stages and verdicts beside deciding them; the request is locked by the caller."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, update
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval, ApprovalStage, Decision

_approval = cast(Table, Approval.__table__)
_stage = cast(Table, ApprovalStage.__table__)
_decision = cast(Table, Decision.__table__)

_VOID = (
    update(_decision)
    .where(_decision.c.id.in_(bindparam("ids", expanding=True)))
    .values(taken_back_at=bindparam("at"))
)
_REVISE = (
    update(_approval)
    .where(_approval.c.id == bindparam("approval_id"))
    .values(revision=_approval.c.revision + 1)
)


def void_decisions(session: Session, ids: Sequence[int], *, at: datetime) -> None:
    """These verdicts count no more."""
    session.execute(_VOID, {"ids": list(ids), "at": at})


def revise(session: Session, approval_id: int, **values: Any) -> None:
    """Change the request's own columns; its revision rises."""
    session.execute(_REVISE.values(**values), {"approval_id": approval_id})


def set_columns(session: Session, approval_id: int, **values: Any) -> None:
    """Change the request's own columns without changing what it asks: its revision stays."""
    session.execute(update(_approval).where(_approval.c.id == approval_id).values(**values))


_STAGE = update(_stage).where(
    _stage.c.approval_id == bindparam("approval"), _stage.c.position == bindparam("place")
)


def set_approvers(session: Session, approval_id: int, position: int, approvers: list[Any]) -> None:
    """Whom a stage asks, from now on; its request is locked by the caller."""
    session.execute(
        _STAGE.values(approvers=bindparam("whom", type_=_stage.c.approvers.type)),
        {"approval": approval_id, "place": position, "whom": approvers},
    )


_CARD = (
    update(_approval)
    .where(_approval.c.id == bindparam("approval_id"))
    .values(card_id=bindparam("new_card"), channel=bindparam("new_channel"))
)


def set_card(session: Session, approval_id: int, *, card_id: int, channel: str) -> None:
    """Remember which message is the channel's card."""
    session.execute(
        _CARD, {"approval_id": approval_id, "new_card": card_id, "new_channel": channel}
    )
