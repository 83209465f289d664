"""Looks at requests for those who follow them from outside Slack."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from storage.enums import ApprovalState
from storage.releases import queries
from workflows.errors import NotFound, RefusalFact
from workflows.releases import questions, rules


@dataclass(frozen=True, slots=True)
class Mark:
    """How a request stands, in short: `text` differs whenever the request or a verdict on it does."""

    state: ApprovalState
    text: str

    @property
    def is_pending(self) -> bool:
        """Whether somebody may still decide."""
        return self.state is ApprovalState.PENDING


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request belongs. `asked` is the question of a release's request, by field; empty for other subjects."""

    gate: str
    project: str
    project_id: int
    requester_id: str
    asked: dict[str, Any]
    known: dict[str, Any] = field(default_factory=dict)
    """What mlgov read of its own record for it, by name."""

    @property
    def question(self) -> str | None:
        """The digest of the question; None for other subjects."""
        return rules.digest_question(self.asked) if self.asked else None


def load_marks(session: Session, ids: Collection[int]) -> dict[int, Mark]:
    """How these requests stand; those that do not exist are left out."""
    return {
        id_: Mark(ApprovalState(state), text)
        for id_, (state, text) in queries.list_marks(session, ids).items()
    }


def find_place(session: Session, approval_id: int) -> Place:
    """Where a request belongs. Raises NotFound."""
    row = queries.find_place(session, approval_id)
    if row is None:
        raise unknown_request(approval_id)
    asked = queries.find_asked(session, approval_id)
    return Place(
        row.gate,
        row.project,
        row.project_id,
        row.requester_id,
        questions.question_of(asked) if asked is not None else {},
        {each["name"]: each["value"] for each in (row.bound or {}).get("known", ())},
    )


def list_ids(
    session: Session,
    *,
    state: ApprovalState | None,
    gates: Collection[str],
    projects: Collection[str],
    within: Collection[int] | None,
    before: int | None,
    most: int,
) -> list[int]:
    """Ids of requests, newest first; empty `gates` or `projects` mean all, and so does None for the ids `within`."""
    return list(
        queries.list_ids(
            session,
            state=state.value if state else None,
            gates=gates,
            projects=projects,
            within=within,
            before=before,
            most=most,
        )
    )


def unknown_request(approval_id: int, *, audit: RefusalFact | None = None) -> NotFound:
    """What is said of a request that is not there, or not for who asks."""
    return NotFound(
        f"There is no request {approval_id} here, or it is not for you. GET /api/v1/approvals lists those that are.",
        audit=audit,
    )
