"""What somebody reads whose click does not count: one sentence each, with the way on."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from storage.enums import ApprovalState
from workflows.approvals.records import Card, Line, Round
from workflows.approvals.rules import Refusal
from workflows.context import Actor
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact, Stale

_MARKS = str.maketrans({"<": "‹", ">": "›", "&": "＆", "*": "∗", "_": "＿", "~": "∼", "`": "ˋ"})
"""Names stand in these sentences as they are; look-alikes keep Slack from reading anything into them."""


class AlreadyDecided(GovernanceError):
    """This person has given their verdict on this request."""


class AlreadyEnded(Stale):
    """Nobody can decide this request any more."""


class Overdue(Stale):
    """Its time is up, although the timer that says so has not run yet."""


class CommentNeeded(InvalidInput):
    """Whoever approves this stage has to say why."""


class CardChanged(Stale):
    """The card showed an earlier stage than the one that is asked now."""


class RecordChanged(Stale):
    """What the request rests on is not what its card showed: it is looked at again before anybody approves it."""


class MovedOn(RecordChanged):
    """It got graver since it was shown."""


class Barred(RecordChanged):
    """The step itself could not be taken now, whoever approves it."""


class WaitsForAnswer(GovernanceError):
    """The requester has to answer a question before anybody can approve."""


class PlaceUsed(AlreadyDecided):
    """Somebody has decided with this person's place in the stage."""


class Unconfirmed(GovernanceError):
    """The mirror of Slack is too old to say whether this act counts: ask Slack about these, then try again."""

    def __init__(
        self,
        sentence: str,
        *,
        people: frozenset[str] = frozenset(),
        approvers: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(sentence)
        self.people = people
        """Slack ids."""
        self.approvers = approvers
        """Slack ids of people and groups, and `@group`s."""

    @property
    def named(self) -> frozenset[str]:
        """All of them."""
        return self.people | self.approvers


def clear_name(text: str) -> str:
    """A name for a sentence: one line, of bearable length, that Slack shows as it is."""
    short = " ".join(text.split()).translate(_MARKS)
    return short if len(short) <= 60 else short[:59].rstrip() + "…"


def join_names(people: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`, `A, B and 4 others`."""
    written = [clear_name(person) for person in people]
    if len(written) > 3:
        written = [*written[:2], f"{len(written) - 2} others"]
    return " and ".join(filter(None, [", ".join(written[:-1]), written[-1]])) if written else ""


def format_moment(at: datetime, actor: Actor) -> str:
    """An instant in the reader's own zone: `Mon 26 Jan 14:05`."""
    local = at.astimezone(ZoneInfo(actor.tz) if actor.tz else UTC)
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}" + ("" if actor.tz else " UTC")


def describe_progress(round_: Round) -> str:
    """`Finance (1 of 2)`."""
    return f"{clear_name(round_.name)} ({round_.approved} of {round_.quorum})"


_PARTS = {
    "developer": "You developed this",
    "validator": "You validated this",
    "contributor": "You contributed to this",
}


def describe_missing(round_: Round) -> str:
    """The groups of a stage that have not approved yet: `Model risk (1 of 2)`."""
    waited = [part for part in round_.parts if part.approved < part.quorum]
    if not waited:
        return describe_progress(round_)
    joint = " or " if round_.mode == "any" else " and "
    return joint.join(
        f"{clear_name(part.name)} ({part.approved} of {part.quorum})" for part in waited
    )


def _describe_newness(card: Card, actor: Actor) -> str:
    reader, round_ = card.reader, card.round
    group = clear_name(reader.group) if reader and reader.group else "the group"
    if round_.is_pinned:
        return f"You joined {group} after this was asked for, and the policy counts only those who were in it then."
    if reader is None or reader.counts_from is None:
        return f"You have not been in {group} long enough to decide this."
    return (
        f"You are new in {group}, and the policy counts only those who have been in it for a while: "
        f"you can decide from {format_moment(reader.counts_from, actor)}."
    )


def describe_end(card: Card, actor: Actor) -> str:
    """How a request ended, in one sentence."""
    at = format_moment(card.decided_at or card.expires_at, actor)
    if card.state is ApprovalState.APPROVED and card.extras.review is not None:
        return f"{clear_name(card.extras.review.breaker.name)} broke the glass on {at}, so this is approved. You can review that."
    if card.state is ApprovalState.APPROVED:
        return f"This was approved on {at} by {join_names([line.person.name for line in card.approvers])}. There is nothing left to decide."
    if card.state is ApprovalState.REJECTED and card.rejection is not None:
        return f"{clear_name(card.rejection.person.name)} rejected this on {at}. {clear_name(card.requester.name)} can ask again with a new request."
    if card.state is ApprovalState.WITHDRAWN:
        return f"{clear_name(card.requester.name)} withdrew this on {at}. There is nothing left to decide."
    if card.state is ApprovalState.LAPSED:
        return f"This was approved, and lapsed because a condition was not met in time. {clear_name(card.requester.name)} can ask again."
    return f"This expired on {at}, before enough people had decided. {clear_name(card.requester.name)} can ask again."


def wait_for_answer(card: Card) -> GovernanceError:
    """Nobody approves while the requester has not answered a question."""
    question = card.question
    asker = clear_name(question.asker.name) if question else "somebody"
    return WaitsForAnswer(
        f"{asker} asked {clear_name(card.requester.name)} something first, so this can't be approved until it is answered. "
        f"You can reject it, and {asker} can take the question back."
    )


def describe_change(card: Card, shown_revision: int | None) -> str:
    """What is different from what somebody was shown at that revision, and that nothing was done."""
    edits = [
        one
        for one in card.extras.edits
        if one.is_material
        and shown_revision is not None
        and one.revision is not None
        and one.revision >= shown_revision
    ]
    if edits and card.is_pending:
        return (
            f"This changed while you looked: {clear_name(card.requester.name)} asked to {clear_text(edits[0].asks)}, and asks to "
            f"{clear_text(card.words.asks)} now. Nothing was done; look at the request again."
        )
    if not card.is_pending:
        return "This changed while you looked. Nothing was done; look at the request again to see how it stands now."
    return (
        f"This changed while you looked: it is with {describe_progress(card.round)} now, and asks to {clear_text(card.words.asks)}. "
        "Nothing was done; look at the request again, and decide anew."
    )


def clear_text(text: str) -> str:
    """What is asked, for a sentence: one line that Slack shows as it is."""
    short = " ".join(text.split()).translate(_MARKS)
    return short if len(short) <= 200 else short[:199].rstrip() + "…"


def no_member(action: str, approval_id: int) -> NotAllowed:
    """Who acts is no member by the mirror; it is said before the request is looked for, and tells nothing of it."""
    return NotAllowed(
        "Only full, active members of this organisation decide. Nothing was changed.",
        audit=RefusalFact(action, "approval", str(approval_id), why=Refusal.NO_MEMBER.value),
    )


def describe_refusal(
    why: Refusal,
    card: Card,
    actor: Actor,
    standing_line: Line | None = None,
    *,
    action: str = "approval.decide",
    shown_revision: int | None = None,
) -> GovernanceError:
    """The refusal as an error. What an auditor wants to see carries its fact for the ledger.

    `shown_revision` is the revision that whoever acts was shown.
    """
    fact = RefusalFact(action, "approval", str(card.id), why=why.value, stage=card.stage)
    waits = f"Waiting for: {describe_progress(card.round)}."
    match why:
        case Refusal.ENDED:
            return AlreadyEnded(describe_end(card, actor))
        case Refusal.OVERDUE:
            return Overdue(
                f"This expired on {format_moment(card.expires_at, actor)}, so it can't be decided any more. {clear_name(card.requester.name)} can ask again."
            )
        case Refusal.REQUESTER:
            return NotAllowed(f"You asked for this, so you can't decide it. {waits}", audit=fact)
        case Refusal.REPEATED:
            line = standing_line
            did = "approved" if line is None or line.verdict == "approve" else "rejected"
            at = f" on {format_moment(line.at, actor)}" if line else ""
            return AlreadyDecided(f"You {did} this{at} already; it counts once. {waits}")
        case Refusal.NOT_YET:
            return NotAllowed(
                f"It is not your turn yet: {clear_name(card.round.name)} decides first ({card.round.approved} of {card.round.quorum}). "
                "You will be asked when it has.",
                audit=fact,
            )
        case Refusal.PASSED:
            return NotAllowed(
                f"The stage you decide in has passed without you, so nothing is needed from you. {waits}",
                audit=fact,
            )
        case Refusal.NOT_ASKED:
            asked = join_names(list(card.round.asked)) or "nobody"
            return NotAllowed(
                f"You are not among those who decide this. {clear_name(card.round.name)} asks: {asked}. "
                "If you should be one of them, ask whoever looks after that list.",
                audit=fact,
            )
        case Refusal.STALE:
            return CardChanged(describe_change(card, shown_revision))
        case Refusal.NEEDED_LATER:
            later = card.rounds[card.stage + 1 :]
            return NotAllowed(
                f"You are needed in a later stage ({join_names([r.name for r in later])}), where too few others could decide, "
                f"and nobody decides twice. Leave {clear_name(card.round.name)} to somebody else.",
                audit=fact,
            )
        case Refusal.APART:
            part = card.reader.apart if card.reader else ""
            return NotAllowed(
                f"{_PARTS.get(part, 'You took part in this')}, and the policy wants somebody else to decide it. {waits}",
                audit=fact,
            )
        case Refusal.TOO_NEW:
            return NotAllowed(f"{_describe_newness(card, actor)} {waits}", audit=fact)
        case Refusal.PART_DONE:
            return AlreadyDecided(
                f"Your part of {clear_name(card.round.name)} is approved already, so nothing is needed from you. "
                f"Waiting for: {describe_missing(card.round)}."
            )
        case Refusal.PLACE_USED:
            return PlaceUsed(
                f"Your place in {clear_name(card.round.name)} has been used: whoever has it now has decided. {waits}"
            )
        case Refusal.NO_MEMBER:
            return no_member(action, card.id)
