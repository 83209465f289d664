"""Who may approve changes when a user group does: that is said where everyone who governs reads it, and on the ledger."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy.orm import Session

from storage.people import queries, readings
from storage.people import queries as stored
from storage.people.lookups import find_channel, is_joined
from storage.people.tables import PolicyGroup
from workflows import handles, outbox, permissions, rollout
from workflows.audit import service as audit
from workflows.context import Context
from workflows.handles import AT, Meant, Unclear
from workflows.outbox import Destination, Notice, Subject
from workflows.people.records import GroupChange
from workflows.policy import Policy, root


@dataclass(frozen=True, slots=True)
class ApproversChanged(Notice):
    """Somebody joined or left a user group whose members approve. People by opaque id."""

    kind: ClassVar[str] = "people.approvers_changed"
    org_key: str
    group_id: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    gates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApproversTold:
    """Such a change as people read it."""

    group: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    gates: tuple[str, ...]


def list_gates(policy: Policy, group_id: str, meant: Meant) -> tuple[str, ...]:
    """The gates at which members of this group approve, by the policy's names; also where a handle that means it names
    nobody just now, for requests that wait go by the group."""
    names = {
        group_id,
        *(word for word, id_ in meant.groups.items() if id_ == group_id),
        *(one.word for one in meant.unclear.values() if one.meant == group_id),
    }

    def reaches(word: str) -> Iterator[str]:
        role = word.removeprefix("role:")
        yield from policy.roles.get(role, ()) if role != word else ()
        yield word.removeprefix("oncall:")

    return tuple(
        name
        for name, gate in policy.gates.items()
        if any(names & set(reaches(word)) for word in gate.words)
    )


def announce(ctx: Context, changes: Sequence[GroupChange]) -> None:
    """Say each change of a group that approves; a group that decides nothing is nobody's news."""
    if not changes:
        return
    meant = handles.resolve(ctx.session, ctx.org, root.people(ctx.policy))
    for change in changes:
        gates = list_gates(ctx.policy, change.group_id, meant)
        if not gates:
            continue
        audit.record(
            ctx.as_system(),
            "approvers.changed",
            ("user_group", change.group_id),
            added=list(change.added),
            removed=list(change.removed),
            gates=list(gates),
        )
        channel = find_channel(ctx.session, ctx.org, ctx.policy.channels.governance)
        if channel is None:
            continue
        key = ":".join([*change.added, "/", *change.removed, ctx.now.isoformat()])
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        outbox.post(
            ctx.session,
            ApproversChanged(ctx.org, change.group_id, change.added, change.removed, gates),
            to=Destination.channel(ctx.org, channel),
            dedupe_key=f"group:{change.group_id}:{digest}",
            now=ctx.now,
        )


def read_groups(session: Session, notice: ApproversChanged) -> ApproversTold:
    """The change with names."""
    groups = queries.list_groups(session, notice.org_key, [notice.group_id])
    group = next(iter(groups), None)
    people = {
        row.id: row.name for row in queries.list_people(session, [*notice.added, *notice.removed])
    }
    return ApproversTold(
        group.name if group is not None else notice.group_id,
        tuple(people.get(one, "somebody") for one in notice.added),
        tuple(people.get(one, "somebody") for one in notice.removed),
        tuple(notice.gates),
    )


# --- Which user group each handle of the policy means, kept as groups come and go, and told
#     when one names nobody

TYPE = "policy_group"
"""The type of subject under which messages and the ledger have handles, each without the at sign."""


@dataclass(frozen=True, slots=True)
class HandleUnclear(Notice):
    """A handle that the policy goes by names nobody; the `times`-th thing that is told of it."""

    kind: ClassVar[str] = "people.handle_unclear"
    org_key: str
    handle: str
    times: int


@dataclass(frozen=True, slots=True)
class HandleClear(Notice):
    """A handle that named nobody means a user group again."""

    kind: ClassVar[str] = "people.handle_clear"
    org_key: str
    handle: str
    times: int


@dataclass(frozen=True, slots=True)
class HandleTold:
    """A handle of the policy as people read of it."""

    word: str
    unclear: Unclear | None
    """Why it names nobody; none where it means a group."""
    is_over: bool
    """Whether something else was told of it since."""
    group: str | None
    """The Slack id of the group that it means, or meant."""
    names: Mapping[str, str]
    """Slack id → name of the groups that are told of."""
    places: tuple[str, ...]
    """Where the policy names it, in words."""

    # --- as groups come and go


def settle(ctx: Context, *, is_whole: bool = False) -> None:
    """Keep which group each handle of the policy means, once one means any, and tell administrators of those that name
    nobody: once each, and once more when that is over.

    For after every change of user groups, in its transaction, and when a policy comes into force. Does nothing before
    Slack's groups were read as a whole; with `is_whole` they just were.
    """
    words = _handles(ctx.policy)
    if not words or not (is_whole or _were_read(ctx.session)):
        return
    meant = handles.resolve(ctx.session, ctx.org, words)
    if all(_is_settled(stored.find(ctx.session, ctx.org, word[1:]), word, meant) for word in words):
        return
    rows = stored.lock(ctx.session, ctx.org, [word[1:] for word in words])
    # As it is now that nobody else settles them.
    meant = handles.resolve(ctx.session, ctx.org, words)
    for row in rows:
        if not _is_settled(row, AT + row.handle, meant):
            _settle(ctx, row, meant)
    ctx.session.flush()


def _settle(ctx: Context, row: PolicyGroup, meant: Meant) -> None:
    unclear = meant.unclear.get(AT + row.handle)
    if unclear is None:
        _keep(ctx.as_system(), row, meant.groups[AT + row.handle])
        if row.fault is None:
            return
        row.fault, row.others, row.fault_at = None, [], None
    else:
        row.fault, row.others = unclear.fault.value, list(unclear.having)
        row.fault_at = ctx.now
    row.times += 1
    ctx.session.flush()
    audit.record(
        ctx.as_system(),
        "policy.handle_clear" if unclear is None else "policy.handle_unclear",
        (TYPE, row.handle),
        group=row.group_id,
        **({} if unclear is None else {"fault": row.fault, "having": row.others}),
    )
    notice_type = HandleClear if unclear is None else HandleUnclear
    _tell(ctx, notice_type(ctx.org, row.handle, row.times))


def _is_settled(row: PolicyGroup | None, word: str, meant: Meant) -> bool:
    """Whether all is kept and told of a handle as it stands."""
    if row is None:
        return False
    unclear = meant.unclear.get(word)
    if unclear is None:
        return row.fault is None and row.group_id == meant.groups[word]
    return (row.fault, tuple(row.others)) == (unclear.fault.value, unclear.having)


def _keep(ctx: Context, row: PolicyGroup, group_id: str) -> None:
    if row.group_id == group_id:
        return
    audit.record(
        ctx, "policy.handle_meant", (TYPE, row.handle), group=group_id, before=row.group_id
    )
    row.group_id, row.meant_at = group_id, ctx.now


def _were_read(session: Session) -> bool:
    return readings.read_standing(session)["groups"].read_at is not None


def _handles(policy: Policy) -> list[str]:
    """Every handle that the policy names anywhere, with the at sign."""
    return sorted(word for word in root.people(policy) if handles.is_handle(word))

    # --- an administrator puts the policy in force


def confirm(ctx: Context) -> list[str]:
    """The handles of the policy mean the groups that have them now: an administrator has put it in force.

    Tells in sentences which of them means another group from now on, and which names nobody.
    """
    words = _handles(ctx.policy)
    if not words or not _were_read(ctx.session):
        return []
    rows = stored.lock(ctx.session, ctx.org, [word[1:] for word in words])
    meant = handles.resolve(ctx.session, ctx.org, words, afresh=True)
    sentences = []
    for row in rows:
        word, before = AT + row.handle, row.group_id
        group_id = meant.groups.get(word)
        if group_id is None:
            unclear = meant.unclear[word]
            sentences.append(f"{word} names nobody: {unclear.clause}. Next: {unclear.remedy}.")
            continue
        _keep(ctx, row, group_id)
        if before not in (None, group_id):
            sentences.append(
                f"{word} means {_named(ctx, group_id)} from now on; until now it meant "
                f"{_named(ctx, before)}. Open requests stay with whom they asked."
            )
    ctx.session.flush()
    settle(ctx)
    return sentences


def _named(ctx: Context, group_id: str | None) -> str:
    if group_id is None:
        return "nobody"
    name = _names(ctx.session, ctx.org, [group_id]).get(group_id)
    return f"{name} ({group_id})" if name else group_id


def _names(session: Session, org_key: str, ids: Sequence[str]) -> dict[str, str]:
    return {row.slack_id: row.name for row in queries.list_groups(session, org_key, ids)}


def list_kept(session: Session, org_key: str) -> dict[str, str]:
    """Handle (without the at sign) → Slack id of the group that it means, of every handle that ever meant one."""
    return {
        row.handle: row.group_id
        for row in stored.list_kept(session, org_key)
        if row.group_id is not None
    }


def describe_handles(ctx: Context) -> list[str]:
    """What each handle of the policy means now, a sentence each."""
    words = _handles(ctx.policy)
    meant = handles.resolve(ctx.session, ctx.org, words)
    sentences = []
    for word in words:
        if (unclear := meant.unclear.get(word)) is not None:
            sentences.append(f"{word} names nobody: {unclear.clause}. Next: {unclear.remedy}.")
        else:
            sentences.append(f"{word}: {_named(ctx, meant.groups[word])}")
    return sentences

    # --- telling


def _tell(ctx: Context, notice: HandleUnclear | HandleClear) -> None:
    subject = Subject.of(TYPE, notice.handle)
    outbox.refresh(ctx, subject)
    for place in _administrators(ctx):
        # Whatever the rollout: until it is set right, this names nobody.
        outbox.post(
            ctx.session,
            notice,
            to=place,
            dedupe_key=f"handle:{notice.handle}:{notice.times}:{place.key}",
            now=ctx.now,
            subject=subject,
        )


def _administrators(ctx: Context) -> list[Destination]:
    """The administrators' channel where mlgov is in it, else each of them: those, too, whom a handle named that names
    nobody by now, for they have no right by being told."""
    channel = find_channel(ctx.session, ctx.org, ctx.policy.channels.admin)
    if channel is not None and is_joined(ctx.session, ctx.org, channel):
        return [Destination.channel(ctx.org, channel)]
    people = permissions.list_holders(ctx, rollout.ADMIN)
    words = ctx.policy.roles.get(rollout.ADMIN, ())
    for unclear in handles.resolve(ctx.session, ctx.org, words).unclear.values():
        if unclear.meant is not None:
            people |= permissions.list_members(ctx, unclear.meant)
    return [Destination.person(ctx.org, slack_id) for _, slack_id in sorted(people.items())]


def read_policy_groups(
    session: Session, notice: HandleUnclear | HandleClear, *, policy: Policy
) -> HandleTold:
    """What a message about a handle shows, as it stands now."""
    word = AT + notice.handle
    row = stored.find(session, notice.org_key, notice.handle)
    unclear = handles.resolve(session, notice.org_key, [word]).unclear.get(word)
    group_id = row.group_id if row is not None else None
    ids = [*(unclear.having if unclear else ()), *([group_id] if group_id else ())]
    return HandleTold(
        word,
        unclear,
        row is None or row.times != notice.times,
        group_id,
        _names(session, notice.org_key, ids),
        root.places(policy, word),
    )
