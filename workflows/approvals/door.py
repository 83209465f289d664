"""The one door for every act on a request: who does it, on which revision, by how fresh a word of Slack's.

An act is named by its form. `acts` has the rule of each and calls `enter` before it does anything; what comes back is
the locked request, and nothing else is accepted by the functions that change one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow, StandingRow, VerdictRow
from storage.enums import ApprovalState, Verdict
from workflows import permissions
from workflows.approvals import approvers, reads, refusals, rules
from workflows.approvals import approvers as approval_approvers
from workflows.approvals.forms import OnRequest
from workflows.approvals.records import Card
from workflows.approvals.refusals import AlreadyDecided, Unconfirmed
from workflows.approvals.rules import Basis, Entitlement, Refusal, Stage, Vote
from workflows.context import Actor, ActorKind, Context
from workflows.errors import GovernanceError, NotAllowed, NotFound, RefusalFact

# --- Who may read a request
#
# whoever has a part in it, whoever sees its project, and whoever has a message of it before
# them.

TYPE = "approval"


def unknown_request(audit: RefusalFact | None = None) -> NotFound:
    """What is said of a request that is not there, and in the same words of one that is not for who asks."""
    return NotFound(reads.NO_REQUEST, audit=audit, hint="approvals.waiting")


def require_card(ctx: Context, approval_id: int) -> Card:
    """A request as it stands, before somebody who may read it. Raises NotFound for everybody else."""
    card = reads.card(ctx, approval_id, reader_id=ctx.actor.id)
    if not sees_request(ctx, card):
        raise unknown_request()
    return card


def sees_request(ctx: Context, card: Card) -> bool:
    """Whether somebody may read a request; `card` is it before them.

    Its project is in their sight; they asked, decided, or own or set a condition; any stage asks them, themselves, for
    somebody who is away or by a place that was handed to them; they may break its glass; or they acted on a message that
    shows it (`ctx.card`). A program sees what its token is for, which the edge looks at.
    """
    if ctx.actor.kind is not ActorKind.PERSON:
        return True
    if not ctx.actor.is_member:
        return False
    return (
        _has_a_part(card, ctx.actor)
        or permissions.sees_project(ctx, queries.find_project_id(ctx.session, card.id))
        or permissions.find_reaching_word(
            ctx.session,
            ctx.actor.id,
            sorted(reads.list_approver_ids(ctx.session, card.id)),
            policy=ctx.policy,
        )
        is not None
        or _is_before_them(ctx, card.id)
    )


def _has_a_part(card: Card, actor: Actor) -> bool:
    reader = card.reader
    lines = (*card.lines, *card.taken_back)
    return (
        actor.id == card.requester.id
        or any(line.person.id == actor.id for line in lines)
        or any(actor.id in (one.owner.id, one.setter.id) for one in card.conditions)
        or (reader is not None and bool(reader.why or reader.may_break_glass or reader.handed_to))
    )


def _is_before_them(ctx: Context, approval_id: int) -> bool:
    subject = permissions.find_shown(ctx)
    if subject is None or subject == (TYPE, str(approval_id)):
        return subject is not None
    beside = activity.list_showing(ctx.session, approval_id)
    return subject in {(type_, str(id_)) for type_, id_ in beside}


# --- The one door for every act on a request
#
# who does it, on which revision, by how fresh a word of Slack's. An act is named by its form.
# `acts` has the rule of each and calls `enter` before it does anything; what comes back is the
# locked request, and nothing else is accepted by the functions that change one.

ASK_FIRST = "Whether everybody this rests on still belongs here has to be asked first. Nothing was changed; try again in a minute."

NOT_CONFIRMED = (
    "Nothing confirms that everybody this rests on still belongs here. Nothing was changed; "
    "if that is wrong, try again in a minute, or ask an administrator."
)


@dataclass(frozen=True, slots=True)
class Entered:
    """A request, locked, with somebody in front of it who may do what they came for."""

    head: RequestRow
    request: rules.Request
    decided: Sequence[VerdictRow]
    """The rows of the verdicts that count."""
    rows: Sequence[StandingRow]
    """Who acts, as the mirror has them; empty for a program."""
    entitled: Entitlement | None = None
    """By what they decide, where the act is one of those who decide."""

    @property
    def votes(self) -> list[Vote]:
        """The verdicts that count."""
        return build_votes(self.decided)


Who = Callable[[Context, Any, Entered], Entitlement | None]
"""Whether somebody may do what their form says: by what they are entitled, where that rests on more than themselves.
Raises the refusal."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the door asks of an act."""

    action: str
    """Its name on the ledger, where it is refused."""
    who: Who
    waits: bool = True
    """Whether the request has to wait for a decision; else it has ended, and the act says what it needs."""
    programs: bool = False
    """Whether a program may do it, for what it asked itself."""


def enter(ctx: Context, form: OnRequest, rule: Rule) -> Entered:
    """Lock the request, and let whoever acts in, or raise the refusal.

    In this order: a member of the organisation, by a word of Slack's that is fresh enough; entitled to this act, where
    everybody on whose standing it rests is fresh too; while the request waits; on the revision that was shown. Raises
    Unconfirmed with those whom Slack has to be asked about, and Stale where the request is not what was shown. Whoever
    may not even read the request is refused as if there were none.
    """
    subject = ("approval", form.approval_id)
    permissions.require_member(ctx.actor, rule.action, subject=subject)
    is_person = ctx.actor.kind is ActorKind.PERSON
    rows = queries.list_standing(ctx.session, ctx.actor.id) if is_person else ()
    met = _require_met(ctx, rows, form, rule) if is_person else ()
    head, request = lock_request(ctx.session, form.approval_id)
    at = Entered(head, request, queries.list_verdicts(ctx.session, head.id), rows)
    try:
        return _judge_entry(ctx, form, rule, at, met)
    except Unconfirmed:
        raise
    except GovernanceError as refusal:
        card = _card(ctx, at.head.id)
        if sees_request(ctx, card):
            raise
        raise unknown_request(refusal.audit) from None


def _judge_entry(
    ctx: Context, form: OnRequest, rule: Rule, at: Entered, met: tuple[Basis, ...]
) -> Entered:
    head, request = at.head, at.request
    if not met and not (rule.programs and ctx.actor.kind is ActorKind.PROGRAM):
        raise NotAllowed(
            "Only people do this, each as themselves.",
            audit=RefusalFact(rule.action, "approval", str(head.id), why="no_person"),
        )
    entitled = rule.who(ctx, form, at)
    require_fresh(ctx, (*met, *(entitled.basis if entitled else ())))
    at = replace(at, entitled=entitled)
    if rule.waits:
        _require_waiting(ctx, at, rule)
    if form.revision != request.revision:
        raise build_refusal(
            ctx, Refusal.STALE, head.id, action=rule.action, shown_revision=form.revision
        )
    return at


def _require_met(
    ctx: Context, rows: Sequence[StandingRow], form: OnRequest, rule: Rule
) -> tuple[Basis, ...]:
    """Who acts, a member of the organisation by the mirror. Raises the refusal of everybody else."""
    standing = approval_approvers.build_standing(rows) if rows else None
    if standing is None or rows[0].org_key != ctx.org or not standing.is_member:
        if standing is not None:
            require_slack_asked(ctx, (Basis(standing),), ())
        raise refusals.no_member(rule.action, form.approval_id)
    return (Basis(standing),)


def _require_waiting(ctx: Context, at: Entered, rule: Rule) -> None:
    why = None
    if at.request.state is not ApprovalState.PENDING:
        why = Refusal.ENDED
    elif ctx.now >= at.request.expires_at:
        why = Refusal.OVERDUE
    if why is not None:
        raise build_refusal(ctx, why, at.head.id, action=rule.action)


# --- how fresh Slack's word is


def require_fresh(ctx: Context, basis: Iterable[Basis]) -> None:
    """Everybody on whose standing an act rests was read from Slack lately. Raises Unconfirmed, which names them."""
    everybody = tuple(basis)
    for each in everybody:
        readings = [each.standing.read_at, *([each.group.read_at] if each.group else [])]
        if not all(_is_recent(ctx.fresh_since, at) for at in readings):
            raise build_unconfirmed(ctx, everybody, ())


def require_slack_asked(ctx: Context, basis: Iterable[Basis], approvers: Iterable[str]) -> None:
    """Before a refusal that another word from Slack could lift: have it asked about these. Does nothing once it was.

    `approvers` are Slack ids and `@group`s. Raises Unconfirmed.
    """
    first = build_unconfirmed(ctx, basis, approvers)
    if ctx.fresh_since is not None and not first.named <= ctx.asked:
        raise first


def build_unconfirmed(
    ctx: Context, basis: Iterable[Basis], approvers: Iterable[str]
) -> Unconfirmed:
    """The refusal that has Slack asked about these, and the act tried again."""
    everybody = tuple(basis)
    whom = frozenset(one.standing.slack_id for one in everybody if one.standing.slack_id)
    groups = {one.group.slack_id for one in everybody if one.group is not None}
    named = groups.union(approvers)
    is_asked = whom | named <= ctx.asked
    return Unconfirmed(
        NOT_CONFIRMED if is_asked else ASK_FIRST, people=whom, approvers=frozenset(named)
    )


def _is_recent(since: datetime | None, read_at: datetime | None) -> bool:
    return since is None or (read_at is not None and read_at >= since)


# --- what acts are judged by


def lock_request(session: Session, approval_id: int) -> tuple[RequestRow, rules.Request]:
    """Lock a request: its row, and what verdicts are judged against. Raises NotFound."""
    rows = queries.lock_request(session, approval_id)
    if not rows:
        raise NotFound(reads.NO_REQUEST, hint="approvals.waiting")
    head = rows[0]
    return head, rules.Request(
        head.requester_id,
        ApprovalState(head.state),
        head.stage,
        head.revision,
        head.expires_at,
        tuple(Stage.of(row) for row in rows),
        (head.bound or {}).get("apart") or {},
    )


def enter_unattended(session: Session, approval_id: int) -> Entered:
    """A request, locked, with nobody in front of it: mlgov looks at what it rests on. Raises NotFound."""
    head, request = lock_request(session, approval_id)
    return Entered(head, request, queries.list_verdicts(session, head.id), ())


def list_votes(session: Session, approval_id: int) -> list[Vote]:
    """The verdicts that count."""
    return build_votes(queries.list_verdicts(session, approval_id))


def build_votes(rows: Sequence[VerdictRow]) -> list[Vote]:
    """The verdicts of rows of `queries.list_verdicts`."""
    return [
        Vote(
            row.person_id,
            row.position,
            Verdict(row.verdict),
            tuple(row.parties) if row.parties else (0,),
            row.place_id or row.for_id or row.person_id,
        )
        for row in rows
    ]


def build_refusal(
    ctx: Context,
    why: Refusal,
    approval_id: int,
    *,
    action: str = "approval.decide",
    shown_revision: int | None = None,
) -> GovernanceError:
    """The refusal as an error with its sentence, to be raised. `shown_revision` is the revision that whoever acts was shown."""
    card = _card(ctx, approval_id)
    return refusals.describe_refusal(
        why,
        card,
        ctx.actor,
        card.reader.line if card.reader else None,
        action=action,
        shown_revision=shown_revision,
    )


def _card(ctx: Context, approval_id: int) -> Card:
    """The request as whoever acts would see it."""
    return reads.card(ctx, approval_id, reader_id=ctx.actor.id)


def require_entitlement(at: Entered) -> Entitlement:
    """By what somebody decides whom the door let in for it."""
    if at.entitled is None:
        raise RuntimeError("an act of those who decide is let in by what they decide by")
    return at.entitled


# --- who may do what is neither a decision nor emergency


def only_requester(action: str, sentence: str, *, hint: str | None = None) -> Who:
    """Only the person or program that asked; `sentence` is said to everybody else."""

    def who(ctx: Context, form: OnRequest, at: Entered) -> None:
        if ctx.actor.id != at.request.requester_id:
            raise NotAllowed(
                sentence,
                audit=RefusalFact(action, "approval", str(at.head.id), why="not_requester"),
                hint=hint,
            )

    return who


# --- Whether somebody decides in the stage that is asked now
#
# for themselves, for who is away, or in a place they took.

_NOT_ASKED = frozenset({Refusal.NOT_YET, Refusal.PASSED, Refusal.NOT_ASKED})
_BY_MEMBERSHIP = _NOT_ASKED | {Refusal.NO_MEMBER}
"""Refusals that another word from Slack could lift."""


def require_entitled(ctx: Context, form: OnRequest, at: Entered) -> Entitlement:
    """By what this person's verdict counts, and in whose place. Raises the refusal when it does not."""
    if any(row.for_id == ctx.actor.id for row in at.decided):
        raise AlreadyDecided(
            "Whoever stands in for you has decided on this in your place, and nobody decides twice."
        )
    standing = approvers.build_standing(at.rows)
    givers = approvers.list_givers(ctx.session, [at.request.current])
    verdict = rules.judge(
        at.request, at.votes, standing, revision=form.revision, now=ctx.now, givers=givers
    )
    if isinstance(verdict, Entitlement):
        return verdict
    basis = [Basis(standing)]
    if verdict in _NOT_ASKED and _may_stand_in(at, standing.person_id):
        principals = approvers.list_principals(ctx, at.rows, standing.person_id)
        basis += [Basis(one.standing) for one in principals]
        instead = _find_place_of_absent(ctx, form, at, [one.standing for one in principals], givers)
        if instead is not None:
            basis_of = (Basis(standing), *instead.basis)
            return replace(instead, basis=basis_of)
    if verdict in _BY_MEMBERSHIP:
        basis += [Basis(one) for one in givers.values()]
        require_slack_asked(ctx, basis, reads.list_approver_ids(ctx.session, at.head.id))
    raise build_refusal(ctx, verdict, at.head.id, shown_revision=form.revision)


def _may_stand_in(at: Entered, person_id: str) -> bool:
    """Whether this person may decide for somebody who is away: never who took part, nor who gave their own place away."""
    stage = at.request.current
    return (
        stage.delegate
        and person_id not in at.request.apart
        and not any(approver.by == person_id for approver in stage.approvers)
    )


def _find_place_of_absent(
    ctx: Context,
    form: OnRequest,
    at: Entered,
    principals: Sequence[rules.Standing],
    givers: rules.Standings,
) -> Entitlement | None:
    """Whether one of those who are away would decide now, whose place nobody has used."""
    spent = list_spent(at.decided)
    for principal in principals:
        if principal.person_id in spent:
            continue
        verdict = rules.judge(
            at.request, at.votes, principal, revision=form.revision, now=ctx.now, givers=givers
        )
        if isinstance(verdict, Entitlement):
            return replace(verdict, instead_of=principal.person_id)
        if verdict is Refusal.STALE:
            raise build_refusal(ctx, verdict, at.head.id, shown_revision=form.revision)
    return None


def list_spent(decided: Sequence[VerdictRow]) -> set[str]:
    """Who has decided, themselves or through whoever stood in for them."""
    return {
        person_id
        for row in decided
        for person_id in (row.person_id, row.for_id)
        if person_id is not None
    }
