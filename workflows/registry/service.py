"""Reading the registry into the record: the baseline, what is new, where it differs, and when it cannot be read."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage import leases
from storage.enums import ModelState
from storage.registry import queries
from storage.registry.tables import RegistryState, RegistryWrite
from workflows import clock
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, NotAllowed, RefusalFact, Stale
from workflows.inventory import permissions
from workflows.people.erasure import build_hiding
from workflows.registry import drift, reads, rules
from workflows.registry import snapshot as registry_snapshot
from workflows.registry.notices import BaselineRead, RegistryTroubled, WriteGivenUp
from workflows.registry.reads import Offer, What
from workflows.registry.rules import Write
from workflows.registry.snapshot import Digests, Runs, Sight
from workflows.sources.mlflow.client import Snapshot
from workflows.wording import counted

# --- What mlgov writes into the registry
#
# wanted by the record, compared with what is there, tried with patience.

STOP = "unalias"
"""The write that keeps a stopped model from being loaded."""
_ORDER = {"alias": 0, "untag": 1, "tag": 2}


def list_writes(ctx: Context, *, real_now: datetime) -> list[Write]:
    """What is to be written now, at most what the hour allows; nothing before the baseline is accepted, or while frozen.

    Taking an alias away has as many writes an hour of its own, and goes first: tags never keep a model in use that was
    suspended.
    """
    state = queries.find_state(ctx.session)
    if (
        state is None
        or state.accepted_at is None
        or state.frozen_at is not None
        or state.failure is not None
    ):
        return []
    stops, others = queries.count_writes_since(
        ctx.session, real_now - timedelta(hours=1), kind=STOP
    )
    most = ctx.policy.registry.writes_per_hour
    sight = Sight(ctx.session).link()
    resting = {
        row.what
        for row in queries.list_open_writes(ctx.session)
        if row.dead_at is not None or row.next_at > real_now
    }
    writes = [
        write
        for seen in sight.side_by_side(
            ctx.policy.registry.alias, now=ctx.now, before=state.looked_at
        )
        if seen.key is not None
        for write in rules.list_wanted(
            seen, ctx.policy.registry.alias, restore=ctx.policy.registry.restore_alias
        )
        if write.what not in resting
    ]
    others_ordered = sorted(
        (write for write in writes if write.kind != STOP), key=lambda write: _ORDER[write.kind]
    )
    return [
        *[write for write in writes if write.kind == STOP][: max(most - stops, 0)],
        *others_ordered[: max(most - others, 0)],
    ]


def settle_write(ctx: Context, write: Write, error: str, *, real_now: datetime) -> None:
    """Keep how a write went; `error` is empty when it was done. One that never succeeds is given up, and that is told."""
    row = queries.find_write(ctx.session, write.what)
    if row is None:
        row = RegistryWrite(what=write.what, attempts=0, next_at=real_now, created_at=ctx.now)
        ctx.session.add(row)
    if row.done_at is not None:
        row.attempts, row.done_at = 0, None
    row.attempts += 1
    if not error:
        row.done_at, row.error = real_now, None
        _keep_written(ctx, write, ctx.policy.registry.alias)
        audit.record(
            ctx.as_system(),
            f"registry.{write.kind}",
            ("registry", 1),
            model=write.name,
            version=write.version,
            key=write.key,
            value=write.value,
        )
        ctx.session.flush()
        return
    row.error = error[:300]
    if row.attempts > len(rules.BACKOFF):
        row.dead_at = ctx.now
        ctx.session.flush()
        reads.post_notice(ctx, WriteGivenUp(row.id), f"write:{row.id}:{ctx.now.isoformat()}")
    else:
        row.next_at = real_now + timedelta(seconds=rules.BACKOFF[row.attempts - 1])
    ctx.session.flush()


def _keep_written(ctx: Context, write: Write, alias: str) -> None:
    """What was written is what was seen, until the next look."""
    if write.kind in ("alias", "unalias"):
        for row in queries.list_models(ctx.session):
            if row.name != write.name:
                continue
            is_set = write.kind == "alias"
            row.aliases = {key: value for key, value in row.aliases.items() if key != alias} | (
                {alias: write.version} if is_set else {}
            )
            row.alias_since, row.alias_known = ctx.now, True
            row.written_alias = write.version if is_set else None
        return
    for each in queries.list_versions_of(ctx.session, write.name):
        if each.version == write.version:
            tags = {key: value for key, value in each.tags.items() if key != write.key}
            each.tags = tags | ({write.key: write.value} if write.kind == "tag" else {})


# --- Reading the registry into the record
#
# the baseline, what is new, where it differs, and when it cannot be read.

LEASE = timedelta(minutes=10)
FAILURES = 3
"""Looks that fail before it is told."""
VERIFIED = (
    ModelState.APPROVED.value,
    ModelState.IMPLEMENTATION.value,
    ModelState.IN_USE.value,
    ModelState.MODIFICATION.value,
    ModelState.SUSPENDED.value,
    ModelState.APPROVAL.value,
)
"""States of versions whose contents are read again and again."""


# --- whose turn it is


class LostTurn(GovernanceError):
    """Another process reads the registry by now; whoever had the turn before writes nothing more."""


def take_turn(ctx: Context, *, real_now: datetime, force: bool) -> int | None:
    """Take the turn to read the registry, when a look is due, hinted at, or asked for.

    The turn's number, by which everything of this look is written; None when no look is due, or somebody has the turn.
    """
    state = queries.lock_state(ctx.session)
    if leases.is_held(state.leased_until, length=LEASE, real_now=real_now):
        return None
    is_due = clock.is_over(state.tried_at, ctx.policy.registry.poll, ctx.now)
    if not (force or is_due or state.hinted_at is not None):
        return None
    state.leased_until, state.hinted_at, state.tried_at = real_now + LEASE, None, ctx.now
    state.turn += 1
    return state.turn


def keep_turn(session: Session, turn: int, *, real_now: datetime) -> None:
    """Nobody else has taken the turn, and nobody can until this transaction ends; the lease begins anew.

    Called in each transaction in which a look writes something down. Raises LostTurn.
    """
    state = queries.lock_state(session)
    if state.turn != turn:
        raise LostTurn("Another process reads the registry at this moment.")
    state.leased_until = real_now + LEASE


def release_turn(session: Session, turn: int) -> None:
    """Give the turn back; one that somebody else took meanwhile is left alone."""
    state = queries.lock_state(session)
    if state.turn == turn:
        state.leased_until = None


def note_hint(session: Session, *, now: datetime) -> None:
    """A webhook said that something changed: look soon."""
    queries.lock_state(session).hinted_at = now


def list_to_read(ctx: Context, snapshot: Snapshot) -> tuple[list[str], list[tuple[str, str]]]:
    """Runs and contents that a look needs beside the snapshot.

    Only models that the inventory knows: of their newest version and of those that it has too. Contents are read once,
    and of what is approved or used again and again.
    """
    known = {(row.name, row.version): row for row in queries.list_versions(ctx.session)}
    states = {
        version.id: version.state
        for _, version in queries.list_inventory(ctx.session)
        if version is not None
    }
    governed = {row.name for row in queries.list_models(ctx.session) if row.model_id is not None}
    runs, contents = [], []
    for model in snapshot.models:
        if model.name not in governed:
            continue
        for place, version in enumerate(model.versions):
            row = known.get((model.name, version.version))
            state = (
                states.get(row.version_id)
                if row is not None and row.version_id is not None
                else None
            )
            if place > 0 and state is None:
                continue
            if version.run_id and (row is None or row.run_users is None):
                runs.append(version.run_id)
            read_at = row.verified_at if row is not None else None
            is_due = read_at is None or (
                state in VERIFIED and clock.is_over(read_at, ctx.policy.registry.verify, ctx.now)
            )
            if is_due:
                contents.append((model.name, version.version))
    return runs, contents

    # --- what was read


def record_failure(ctx: Context, sentence: str, *, gone: Collection[str] = ()) -> None:
    """The registry could not be read, or is not itself. Nothing is lost; told once, after some failures.

    `gone` are the models that are missing, where so many are that somebody has to say that it is meant.
    """
    state = queries.lock_state(ctx.session)
    if state.accepted_at is not None and state.frozen_at is None:
        reads.put_offers(ctx, state, (Offer(What.GONE, name) for name in gone))
    state.failures += 1
    state.failure = sentence[:500]
    if state.failures >= FAILURES and state.alarmed_at is None:
        state.alarmed_at = ctx.now
        audit.record(ctx.as_system(), "registry.troubled", ("registry", 1))
        reads.post_notice(
            ctx, RegistryTroubled(ctx.now.isoformat()), f"trouble:{ctx.now.isoformat()}"
        )
    else:
        reads.refresh_messages(ctx)


def _without_erased(ctx: Context, snapshot: Snapshot, runs: Runs) -> tuple[Snapshot, Runs]:
    """The registry names people by address for as long as it stands: who was erased here stays an opaque id."""
    texts = [
        [dict(model.tags), model.description, [dict(one.tags) for one in model.versions]]
        for model in snapshot.models
    ]
    hide = build_hiding(ctx, [texts, [list(who) for _, who in runs.values()]])
    models = tuple(
        replace(
            model,
            tags=hide(dict(model.tags)),
            description=hide(model.description),
            versions=tuple(replace(one, tags=hide(dict(one.tags))) for one in model.versions),
        )
        for model in snapshot.models
    )
    kept = {id_: (metrics, tuple(hide(list(users)))) for id_, (metrics, users) in runs.items()}
    return Snapshot(models), kept


def find_failure(session: Session) -> str:
    """Why the last look was none; empty when it was one."""
    state = queries.find_state(session)
    return (state.failure or "") if state else ""


def apply_snapshot(ctx: Context, snapshot: Snapshot, runs: Runs, digests: Digests) -> None:
    """Everything that follows from one look at the registry."""
    snapshot, runs = _without_erased(ctx, snapshot, runs)
    state = queries.lock_state(ctx.session)
    sight = Sight(ctx.session)
    live = {row.name for row in sight.models.values() if row.gone_at is None}
    missing = live - set(snapshot.by_name)
    left = len(live) - len(missing)
    if rules.is_emptied(len(live), left):
        record_failure(
            ctx,
            f"It shows {left} of {len(live)} models that were there. If that is meant, accept it.",
            gone=missing,
        )
        return
    changes = registry_snapshot.keep_snapshot(
        ctx, sight, snapshot, runs, digests, alias=ctx.policy.registry.alias
    )
    sight.link()
    before, state.looked_at = state.looked_at, ctx.now
    was_troubled = state.alarmed_at is not None
    state.failures, state.failure, state.alarmed_at = 0, None, None
    if was_troubled:
        audit.record(ctx.as_system(), "registry.well", ("registry", 1))
        reads.refresh_messages(ctx)
    if state.accepted_at is None:
        _offer_baseline(ctx, state, snapshot, sight)
        return
    if state.frozen_at is not None:
        changes.put_off()
        moved = reads.list_moved_since(
            sight, drift.compare(ctx, sight, before=before), state.frozen_at
        )
        reads.put_offers(ctx, state, moved)
        return
    reads.put_offers(ctx, state, ())
    drift.apply_changes(ctx, state, sight, changes, before=before)


def _offer_baseline(ctx: Context, state: RegistryState, snapshot: Snapshot, sight: Sight) -> None:
    now, alias = ctx.now, ctx.policy.registry.alias
    reads.put_offers(ctx, state, reads.list_baseline(sight, alias))
    if state.baseline_at is not None:
        return
    state.baseline_at = now
    notice = BaselineRead(
        models=len(snapshot.models),
        versions=sum(len(one.versions) for one in snapshot.models),
        aliases=sum(alias in one.aliases for one in snapshot.models),
        unknown=sum(one.name not in sight.inventory for one in snapshot.models),
    )
    audit.record(
        ctx.as_system(),
        "registry.baseline",
        ("registry", 1),
        models=notice.models,
        versions=notice.versions,
    )
    reads.post_notice(ctx, notice, f"baseline:{now.isoformat()}")

    # --- what a person decides


def require_risk(ctx: Context, action: str) -> None:
    """Only model risk and the operator decide about the registry. Raises NotAllowed."""
    if ctx.actor.kind is ActorKind.OPERATOR:
        return
    if not permissions.is_model_risk(ctx):
        raise NotAllowed(
            "This is for model risk.",
            audit=RefusalFact(action, "registry", "1", why="not_model_risk"),
        )


def accept_offers(ctx: Context, revision: int) -> str:
    """Take what the card of that revision lists: the baseline, what moved at once, or what is gone. A sentence for who did.

    What moves after that card was made is not taken with it. Raises Stale when something else waits by now.
    """
    require_risk(ctx, "registry.accept")
    state = queries.lock_state(ctx.session)
    if state.baseline_at is None:
        raise GovernanceError("The registry was not read yet, so there is nothing to accept.")
    is_waiting = state.accepted_at is None or state.frozen_at is not None
    if not (is_waiting or state.offered):
        return "Nothing waits for that."
    if state.revision != revision:
        raise Stale(
            "The registry has moved since this was shown to you, so nothing was accepted. Look at what waits now.",
            hint="registry.waiting",
        )
    taken = reads.list_waiting(state)
    number = _keep_accepted(ctx, taken, ctx.policy.registry.alias)
    if state.accepted_at is None:
        state.accepted_at = ctx.now
        state.accepted_by = ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None
        are = "is" if number == 1 else "are"
        sentence = f"Accepted. {counted(number, 'model')} {are} new in the inventory; from now on what differs is a finding."
    elif state.frozen_at is not None:
        state.frozen_at = None
        sentence = "Accepted as it is. What moves from now on is a finding."
    else:
        state.hinted_at = ctx.now
        are = "is" if len(taken) == 1 else "are"
        sentence = f"Accepted: {counted(len(taken), 'model')} {are} taken as gone."
    state.offered = []
    state.revision += 1
    audit.record(ctx, "registry.accepted", ("registry", 1), revision=revision, accepted=len(taken))
    reads.refresh_messages(ctx)
    return sentence


def _keep_accepted(ctx: Context, taken: Collection[Offer], alias: str) -> int:
    """Keep what was accepted, thing by thing; how many models are new on the inventory, without findings."""
    sight = Sight(ctx.session).link()
    strangers = {row.name for row in sight.strangers}
    adopted = 0
    for offer in taken:
        row = sight.models.get(offer.name)
        if row is None:
            continue
        if offer.what is What.GONE:
            row.gone_at = row.gone_at or ctx.now
            continue
        if offer.what is not What.NEW and row.aliases.get(alias) == offer.version:
            row.alias_known = True
            if row.written_alias == offer.version:
                row.written_alias = None  # it stands there by a person's word now
        if offer.what is not What.ALIAS and offer.name in strangers:
            drift.adopt_model(ctx, row)
            adopted += 1
    sight.link()
    return adopted
