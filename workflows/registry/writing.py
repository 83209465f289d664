"""What mlgov writes into the registry: wanted by the record, compared with what is there, tried with patience."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.registry import queries
from storage.registry.tables import RegistryWrite
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.policy import Policy
from workflows.registry import rules, telling
from workflows.registry.notices import WriteGivenUp
from workflows.registry.rules import Write
from workflows.registry.seeing import Sight

STOP = "unalias"
"""The write that keeps a stopped model from being loaded."""
_ORDER = {"alias": 0, "untag": 1, "tag": 2}


def list_writes(
    session: Session, *, policy: Policy, now: datetime, real_now: datetime
) -> list[Write]:
    """What is to be written now, at most what the hour allows; nothing before the baseline is accepted, or while frozen.

    Taking an alias away has as many writes an hour of its own, and goes first: tags never keep a model in use that was
    suspended.
    """
    state = queries.find_state(session)
    if (
        state is None
        or state.accepted_at is None
        or state.frozen_at is not None
        or state.failure is not None
    ):
        return []
    stops, others = queries.count_writes_since(session, real_now - timedelta(hours=1), kind=STOP)
    most = policy.registry.writes_per_hour
    sight = Sight(session).link()
    resting = {
        row.what
        for row in queries.list_open_writes(session)
        if row.dead_at is not None or row.next_at > real_now
    }
    writes = [
        write
        for seen in sight.side_by_side(policy.registry.alias, now=now, before=state.looked_at)
        if seen.key is not None
        for write in rules.list_wanted(
            seen, policy.registry.alias, restore=policy.registry.restore_alias
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


def settle_write(
    session: Session,
    write: Write,
    error: str,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    real_now: datetime,
) -> None:
    """Keep how a write went; `error` is empty when it was done. One that never succeeds is given up, and that is told."""
    row = queries.find_write(session, write.what)
    if row is None:
        row = RegistryWrite(what=write.what, attempts=0, next_at=real_now, created_at=now)
        session.add(row)
    if row.done_at is not None:
        row.attempts, row.done_at = 0, None
    row.attempts += 1
    if not error:
        row.done_at, row.error = real_now, None
        _keep_written(session, write, policy.registry.alias, now=now)
        audit.record(
            session,
            SYSTEM,
            f"registry.{write.kind}",
            ("registry", 1),
            now=now,
            model=write.name,
            version=write.version,
            key=write.key,
            value=write.value,
        )
        session.flush()
        return
    row.error = error[:300]
    if row.attempts > len(rules.BACKOFF):
        row.dead_at = now
        session.flush()
        telling.post_notice(
            session,
            WriteGivenUp(row.id),
            f"write:{row.id}:{now.isoformat()}",
            policy=policy,
            org_key=org_key,
            now=now,
        )
    else:
        row.next_at = real_now + timedelta(seconds=rules.BACKOFF[row.attempts - 1])
    session.flush()


def _keep_written(session: Session, write: Write, alias: str, *, now: datetime) -> None:
    """What was written is what was seen, until the next look."""
    if write.kind in ("alias", "unalias"):
        for row in queries.list_models(session):
            if row.name != write.name:
                continue
            is_set = write.kind == "alias"
            row.aliases = {key: value for key, value in row.aliases.items() if key != alias} | (
                {alias: write.version} if is_set else {}
            )
            row.alias_since, row.alias_known = now, True
            row.written_alias = write.version if is_set else None
        return
    for each in queries.list_versions_of(session, write.name):
        if each.version == write.version:
            tags = {key: value for key, value in each.tags.items() if key != write.key}
            each.tags = tags | ({write.key: write.value} if write.kind == "tag" else {})
