"""What others must be told about requests."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class ApprovalCard(Notice):
    """The request as its project's channel sees it: one card, under which the thread tells the story."""

    kind: ClassVar[str] = "approval.card"
    approval_id: int


@dataclass(frozen=True, slots=True)
class ApprovalAsked(Notice):
    """Somebody is asked to decide, in a direct message, because the stage at `position` has come."""

    kind: ClassVar[str] = "approval.asked"
    approval_id: int
    person_id: str
    position: int


@dataclass(frozen=True, slots=True)
class ApprovalReceipt(Notice):
    """The requester's own copy, in a direct message, from which the request can be withdrawn."""

    kind: ClassVar[str] = "approval.receipt"
    approval_id: int


@dataclass(frozen=True, slots=True)
class ApprovalEnded(Notice):
    """News for the requester: approved, rejected or expired."""

    kind: ClassVar[str] = "approval.ended"
    approval_id: int


@dataclass(frozen=True, slots=True)
class ApprovalStory(Notice):
    """One line in the thread under the channel's card: a verdict (`decision_id`), or how the request ended (0)."""

    kind: ClassVar[str] = "approval.story"
    approval_id: int
    decision_id: int


@dataclass(frozen=True, slots=True)
class AbsenceTold(Notice):
    """To a stand-in: for whom they may decide, and in which days."""

    kind: ClassVar[str] = "approval.absence"
    absence_id: int


@dataclass(frozen=True, slots=True)
class AwayOffered(Notice):
    """To somebody who is asked while their Slack status says that they are away: they can name a stand-in."""

    kind: ClassVar[str] = "approval.away_offered"
    person_id: str


@dataclass(frozen=True, slots=True)
class GlassBroken(Notice):
    """To everybody who governs: somebody approved alone, in an emergency; `times` it has been late to be reviewed."""

    kind: ClassVar[str] = "approval.glass"
    approval_id: int
    times: int


@dataclass(frozen=True, slots=True)
class ApprovalTold(Notice):
    """One line in the thread about what somebody did beside deciding: `what` they did, and the id of its row."""

    kind: ClassVar[str] = "approval.told"
    approval_id: int
    what: str
    item_id: int = 0


@dataclass(frozen=True, slots=True)
class ApprovalNote(Notice):
    """The same for one person, as a message of their own that follows the request; with buttons where they can act."""

    kind: ClassVar[str] = "approval.note"
    approval_id: int
    person_id: str
    what: str
    item_id: int = 0


@dataclass(frozen=True, slots=True)
class ApprovalsDue(Notice):
    """A reminder of everything that is due for one person's decision."""

    kind: ClassVar[str] = "approval.due"
    reminder_id: int


@dataclass(frozen=True, slots=True)
class ApprovalEscalated(Notice):
    """A stage waited too long: in the thread who is asked now, or to somebody (`person_id`) that it waits."""

    kind: ClassVar[str] = "approval.escalated"
    approval_id: int
    position: int
    person_id: str


@dataclass(frozen=True, slots=True)
class ApprovalValidityEnded(Notice):
    """To the requester: the approval holds no longer."""

    kind: ClassVar[str] = "approval.validity_ended"
    approval_id: int
