"""Sealing the governed rows in the ledger's entries, and the reads by which `workflows.record` compares the two.

Why: decision 20, "The ledger proves the record".
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from sqlalchemy import BindParameter, ColumnElement, Table, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from storage.approvals.tables import (
    Approval,
    ApprovalCondition,
    ApprovalReview,
    ApprovalStage,
    Decision,
)
from storage.audit import queries
from storage.audit.tables import AuditEntry, PrivateText
from storage.budgets.tables import Budget, BudgetRevision
from storage.delivery.tables import Outbox, Runtime
from storage.enums import OutboxState, Period
from storage.inventory.tables import Model, ModelPerson, ModelVersion
from storage.milestones.tables import Milestone
from storage.money import money_text
from storage.people.tables import Person, SlackAlias
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from storage.statements.tables import SigningKey, Statement
from storage.tokens.tables import ApiToken

if TYPE_CHECKING:
    from storage.ledger import PendingEntry

# --- Reading the governed rows as records
#
# A record holds what decides: states, ids, times, amounts, and digests of the rest. Never a
# name, a Slack id or free text, which would stay in the ledger when a person is erased.

Record = dict[str, Any]
"""The rows of one subject, as JSON values. Its keys are persisted in the ledger: add keys, never rename any."""

PART = 400
"""Subjects in one statement, each a bind parameter (`storage.people.lookups.PART`)."""
_SLACK_ID = re.compile(r"^[UW][A-Z0-9]{2,}$")
_PERSON = "person:"


def _table(mapped: type) -> Table:
    return cast(Table, mapped.__table__)  # type: ignore[attr-defined]


_approval, _stage = _table(Approval), _table(ApprovalStage)
_condition, _review = _table(ApprovalCondition), _table(ApprovalReview)
_decision, _person = _table(Decision), _table(Person)
_budget, _revision = _table(Budget), _table(BudgetRevision)
_model, _version, _part = _table(Model), _table(ModelVersion), _table(ModelPerson)
_token, _key, _statement = _table(ApiToken), _table(SigningKey), _table(Statement)
_policy, _alias = _table(PolicyVersion), _table(SlackAlias)
_runtime = _table(Runtime)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return money_text(value)
    return value


def digest(value: Any) -> str:
    """The first 32 hexadecimal digits of SHA-256 over canonical JSON (sorted keys, no spaces, no escapes)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _digest_of(text)


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _slack_ids(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value} if _SLACK_ID.match(value) else set()
    if isinstance(value, dict):
        return {each for inner in value.values() for each in _slack_ids(inner)}
    if isinstance(value, list):
        return {each for inner in value for each in _slack_ids(inner)}
    return set()


def _without_slack_ids(value: Any, people: Mapping[str, str]) -> Any:
    """The value with opaque ids in the place of Slack ids, so that erasing somebody doesn't change its digest."""
    if isinstance(value, str):
        return people.get(value, value).removeprefix(_PERSON)
    if isinstance(value, dict):
        return {key: _without_slack_ids(each, people) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_slack_ids(each, people) for each in value]
    return value


def _find_people(session: Session, slack_ids: Collection[str]) -> dict[str, str]:
    """Slack id → opaque id, by current and former ids; unknown ones are left out."""
    by_slack_id: dict[str, str] = {}
    wanted = sorted(slack_ids)
    for start in range(0, len(wanted), PART):
        rows = session.execute(
            select(_person.c.slack_id, func.min(_person.c.id).label("id"))
            .where(_person.c.slack_id.in_(wanted[start : start + PART]))
            .group_by(_person.c.slack_id)
        )
        by_slack_id |= {row.slack_id: row.id for row in rows}
        aliases = session.execute(
            select(_alias.c.slack_id, _alias.c.person_id).where(
                _alias.c.slack_id.in_(wanted[start : start + PART])
            )
        )
        by_slack_id |= {row.slack_id: row.person_id for row in aliases}
    return by_slack_id


def _digest_approvers(value: Any, people: Mapping[str, str]) -> str | None:
    """The digest of whom a stage asks; None where it names a Slack id that no known person has.

    Its opaque id comes later, and would make another digest, so such a stage isn't sealed in whom it asks.
    """
    if _slack_ids(value) - people.keys():
        return None
    return digest(_without_slack_ids(value, people))


_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
# Built once: every decision by a click ends with these.
_APPROVALS = (
    select(
        _approval.c.id,
        _approval.c.subject_type,
        _approval.c.subject_id,
        _approval.c.facts,
        _approval.c.bound,
        _approval.c.requester_id,
        _approval.c.decided_at,
        _approval.c.expires_at,
        _approval.c.gate,
        _approval.c.has_more,
        _approval.c.created_at,
        _approval.c.paused_at,
        _approval.c.policy_id,
        _approval.c.project_id,
        _approval.c.reason_id,
        _approval.c.stage,
        _approval.c.state,
        _approval.c.valid_until,
        _stage.c.position.label("place"),
        _stage.c.name,
        _stage.c.quorum,
        _stage.c.ask,
        _stage.c.approvers,
        _stage.c.rules,
    )
    .select_from(_approval.outerjoin(_stage, _stage.c.approval_id == _approval.c.id))
    .where(_approval.c.id.in_(_IDS))
    .order_by(_approval.c.id, _stage.c.position)
)
_DECISIONS = (
    select(
        _decision.c.id,
        _decision.c.approval_id,
        _decision.c.person_id,
        _decision.c.position,
        _decision.c.verdict,
        _decision.c.decided_at,
        _decision.c.taken_back_at,
        _decision.c.for_id,
        _decision.c.place_id,
        _decision.c.parties,
        _decision.c.shown,
        _decision.c.reason_id,
    )
    .where(_decision.c.approval_id.in_(_IDS))
    .order_by(_decision.c.id)
)


def _approvals(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    numbers = [int(id_) for id_ in ids]
    records: dict[str, Record] = {}
    values = {"ids": numbers}
    more = []
    stages = []
    for row in session.execute(_APPROVALS, values):
        if row.place is not None:
            stages.append(row)
        if str(row.id) in records:
            continue
        if row.has_more:
            more.append(row.id)
        records[str(row.id)] = {
            "about": [row.subject_type, row.subject_id],
            "asked": digest(row.facts),
            "bound": digest(row.bound),
            "by": row.requester_id,
            "conditions": [],
            "decided": _plain(row.decided_at),
            "decisions": [],
            "expires": _plain(row.expires_at),
            "gate": row.gate,
            "opened": _plain(row.created_at),
            "paused": _plain(row.paused_at),
            "policy": row.policy_id,
            "project": row.project_id,
            "reason": row.reason_id,
            "review": None,
            "stage": row.stage,
            "stages": [],
            "state": row.state,
            "until": _plain(row.valid_until),
        }
    if more:
        _add_conditions_and_reviews(session, more, records)
    named = {each for row in stages for each in _slack_ids([row.approvers, row.rules])}
    people = _find_people(session, named) if named else {}
    for row in stages:
        whom = _digest_approvers([row.approvers, row.rules], people)
        records[str(row.id)]["stages"].append([row.name, row.quorum, row.ask, whom])
    for row in session.execute(_DECISIONS, values):
        if (record := records.get(str(row.approval_id))) is not None:
            record["decisions"].append(
                {
                    "id": row.id,
                    "person": row.person_id,
                    "stage": row.position,
                    "verdict": row.verdict,
                    "at": _plain(row.decided_at),
                    "void": _plain(row.taken_back_at),
                    "for": row.for_id,
                    "place": row.place_id,
                    "parties": row.parties,
                    "shown": row.shown,
                    "reason": row.reason_id,
                }
            )
    return records


def _add_conditions_and_reviews(
    session: Session, ids: list[int], records: dict[str, Record]
) -> None:
    """Add the conditions of verdicts and the reviews of broken glass to the records of requests that have any."""
    for row in session.execute(
        select(
            _condition.c.id,
            _condition.c.approval_id,
            _condition.c.decision_id,
            _condition.c.owner_id,
            _condition.c.due,
            _condition.c.state,
        )
        .where(_condition.c.approval_id.in_(ids))
        .order_by(_condition.c.id)
    ):
        records[str(row.approval_id)]["conditions"].append(
            [row.id, row.decision_id, row.owner_id, _plain(row.due), row.state]
        )
    for review in session.execute(
        select(
            _review.c.approval_id,
            _review.c.broken_by,
            _review.c.broken_at,
            _review.c.reviewed_by,
            _review.c.is_fine,
        ).where(_review.c.approval_id.in_(ids))
    ):
        records[str(review.approval_id)]["review"] = [
            review.broken_by,
            _plain(review.broken_at),
            review.reviewed_by,
            review.is_fine,
        ]


def _budgets(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    numbers = [int(id_) for id_ in ids]
    records: dict[str, Record] = {}
    for row in session.execute(select(_budget).where(_budget.c.id.in_(numbers))):
        records[str(row.id)] = {
            "basis": row.basis,
            "currency": row.currency,
            # Other periods end with the budget that takes over, by an entry about that one and not about this.
            "ends": _plain(row.ends) if row.period == Period.FIXED else None,
            "owner": row.owner_id,
            "period": row.period,
            "project": row.project_id,
            "revision": row.revision,
            "revisions": [],
            "starts": _plain(row.starts),
            "thresholds": row.thresholds,
        }
    for row in session.execute(
        select(_revision)
        .where(_revision.c.budget_id.in_(numbers))
        .order_by(_revision.c.budget_id, _revision.c.revision)
    ):
        if (record := records.get(str(row.budget_id))) is not None:
            record["revisions"].append(
                {
                    "revision": row.revision,
                    "amount": _plain(row.amount),
                    "from": _plain(row.valid_from),
                    "until": _plain(row.valid_until),
                    "approval": row.approval_id,
                }
            )
    return records


def _models(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    numbers = [int(id_) for id_ in ids]
    return {
        str(row.id): {
            "eu_class": row.eu_class,
            "exposure": row.exposure,
            "owner": row.owner_id,
            "project": row.project_id,
            "purpose": row.purpose_class,
            "state": row.state,
            "tier": row.tier,
            "tier_override": row.tier_override,
        }
        for row in session.execute(select(_model).where(_model.c.id.in_(numbers)))
    }


def _versions(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    numbers = [int(id_) for id_ in ids]
    records: dict[str, Record] = {}
    for row in session.execute(select(_version).where(_version.c.id.in_(numbers))):
        records[str(row.id)] = {
            "approval": row.approval_id,
            "approved_digest": row.approved_digest,
            "approved_until": _plain(row.approved_until),
            "digest": row.digest,
            "model": row.model_id,
            "parts": [],
            "since": _plain(row.state_since),
            "state": row.state,
            "version": row.version,
        }
    for row in session.execute(
        select(_part)
        .where(_part.c.version_id.in_(numbers))
        .order_by(_part.c.version_id, _part.c.part, _part.c.person_id)
    ):
        if (record := records.get(str(row.version_id))) is not None:
            record["parts"].append([row.part, row.person_id])
    return records


def _tokens(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    return {
        row.prefix: {
            "acts_as": row.person_id,
            "created": _plain(row.created_at),
            "expires": _plain(row.expires_at),
            "gates": row.gates,
            "kind": row.kind,
            "projects": row.projects,
            "proof": _digest_of(row.sha256),
            "revoked": _plain(row.revoked_at),
            "scopes": row.scopes,
        }
        for row in session.execute(select(_token).where(_token.c.prefix.in_(ids)))
    }


def _keys(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    return {
        row.key_id: {
            "pem": _digest_of(row.public_pem),
            "published": _plain(row.published_at),
            "retired": _plain(row.retired_at),
        }
        for row in session.execute(select(_key).where(_key.c.key_id.in_(ids)))
    }


def _statements(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    return {
        row.id: {
            "approval": row.approval_id,
            "envelope": _digest_of(row.envelope),
            "expires": _plain(row.expires_at),
            "key": row.key_id,
            "suspended": _plain(row.suspended_at),
            "withdrawn": _plain(row.withdrawn_at),
        }
        for row in session.execute(select(_statement).where(_statement.c.id.in_(ids)))
    }


def _policies(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    numbers = [int(id_) for id_ in ids]
    return {
        str(row.id): {"named": row.sha256, "sha256": hashlib.sha256(row.text.encode()).hexdigest()}
        for row in session.execute(select(_policy).where(_policy.c.id.in_(numbers)))
    }


def _persons(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    """Erased people only: what is mirrored from Slack changes without an entry, so it can't be sealed."""
    rows = session.execute(
        select(_person.c.id, _person.c.erased_at, _person.c.slack_id, _person.c.email)
        .where(_person.c.id.in_(ids), _person.c.erased_at.is_not(None))
        .order_by(_person.c.id)
    )
    return {
        row.id: {
            "erased": _plain(row.erased_at),
            "known": row.slack_id is not None or row.email is not None,
        }
        for row in rows
    }


def _organisations(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    """Whose database it is, its former keys, and how many of its people are still under one of those (0 is right)."""
    facts = session.execute(select(_runtime.c.facts)).scalar_one()
    before = list(facts.get("was") or ())
    behind = select(func.count()).where(
        _person.c.org_key.in_(before), _person.c.is_stranger.is_(False)
    )
    record = {
        "org": facts.get("org_key"),
        "before": before,
        "behind": session.execute(behind).scalar_one() if before else 0,
    }
    return {"1": record} if "1" in ids else {}


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of subject: how its rows are read, and the column whose values are the subject ids of entries."""

    read: Callable[[Session, Sequence[str]], dict[str, Record]]
    key: ColumnElement[Any]
    is_number: bool = False
    """Whether that column is an integer; subject ids are text."""
    is_locked: bool = True
    """Whether `seal` locks the rows before it reads them; not those that change without an entry."""


KINDS: dict[str, Kind] = {
    "approval": Kind(_approvals, _approval.c.id, True),
    "budget": Kind(_budgets, _budget.c.id, True),
    "model": Kind(_models, _model.c.id, True),
    "model_version": Kind(_versions, _version.c.id, True),
    "token": Kind(_tokens, _token.c.prefix),
    "key": Kind(_keys, _key.c.key_id),
    "statement": Kind(_statements, _statement.c.id),
    "policy": Kind(_policies, _policy.c.id, True),
    "person": Kind(_persons, _person.c.id, is_locked=False),
    "organisation": Kind(_organisations, _runtime.c.id, True, is_locked=False),
}
"""What is sealed, by the subject type of entries."""


def read(session: Session, kind: str, ids: Collection[str]) -> dict[str, Record]:
    """The records of these subjects now, by id; one without rows is left out."""
    records: dict[str, Record] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), PART):
        records |= KINDS[kind].read(session, wanted[start : start + PART])
    return records


# --- Sealing and comparing
#
# The last entry of a transaction about a subject carries the subject's record. A row that is
# changed later without an entry differs from it.

__all__ = ["KINDS", "Record", "digest", "read"]

REFUSED = ".refused"
"""Suffix of actions that record a refusal: they changed nothing, so they seal nothing."""

_entry = cast(Table, AuditEntry.__table__)


def are_equal(ledger: Record, table: Record) -> bool:
    """Whether the rows (`table`) still are what an entry sealed (`ledger`)."""
    if ledger.keys() != table.keys():
        # Sealed by another release, with other keys: those that both have are compared.
        ledger = {name: value for name, value in ledger.items() if name in table}
        table = {name: value for name, value in table.items() if name in ledger}
    if "stages" not in ledger:
        return ledger == table
    sealed, stands = ledger["stages"], table["stages"]
    return (
        {**ledger, "stages": []} == {**table, "stages": []}
        and [
            # Whom a stage asks was not sealed where it named somebody unknown then (`_digest_approvers`).
            (*before[:3], before[3] if before[3] is None else now[3])
            for before, now in zip(sealed, stands, strict=False)
        ]
        == [tuple(before) for before in sealed]
        and [now[:3] for now in stands] == [before[:3] for before in sealed]
    )


def _lock(session: Session, kind: str, ids: Sequence[str]) -> None:
    """Lock the rows, so that a seal is never older than the entry before it: another transaction could change them
    between this one's read and its turn at the head. Nothing to do on SQLite, which has one writer, nor for rows that
    this transaction has locked already, which is nearly always so."""
    if session.get_bind().dialect.name != "postgresql" or not KINDS[kind].is_locked:
        return
    column = KINDS[kind].key
    ids = [each for each in ids if not queries.is_held(session, kind, each)]
    for start in range(0, len(ids), PART):
        part: list[Any] = list(ids[start : start + PART])
        if KINDS[kind].is_number:
            part = [int(each) for each in part]
        session.execute(
            select(column).where(column.in_(part)).order_by(column).with_for_update(key_share=True)
        )


def seal(session: Session, entries: Sequence["PendingEntry"]) -> list["PendingEntry"]:
    """The entries, with the record of the subject in the last one about each governed subject, refusals aside.

    Read from the tables and not taken from the services, so that no service can forget a column.
    """
    last: dict[tuple[str, str], int] = {}
    for place, entry in enumerate(entries):
        if entry.subject_type in KINDS and not entry.action.endswith(REFUSED):
            last[entry.subject_type, entry.subject_id] = place
    sealed = list(entries)
    for kind in KINDS:
        ids = sorted(id_ for type_, id_ in last if type_ == kind)
        if not ids:
            continue
        _lock(session, kind, ids)
        for id_, record in read(session, kind, ids).items():
            place = last[kind, id_]
            sealed[place] = replace(sealed[place], record=record)
    return sealed


@dataclass(frozen=True, slots=True)
class Basis:
    """The last entry that changed a subject, which its rows are compared with."""

    seq: int
    hash: str
    at: datetime
    action: str
    actor_id: str
    record: Record | None
    """The sealed record; None for an entry of a release that sealed nothing."""


def parse_body(text: str) -> dict[str, Any]:
    """The content of an entry; empty for text that isn't a JSON object, which only tampering puts there."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


UNREADABLE = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What reading a row may raise when somebody put values there that our code never writes."""


def read_readable(
    session: Session, kind: str, ids: Collection[str]
) -> tuple[dict[str, Record], list[str]]:
    """As `read`, and the ids of subjects whose rows raise one of `UNREADABLE`, so that one of them hides no others."""
    try:
        return read(session, kind, ids), []
    except UNREADABLE:
        records: dict[str, Record] = {}
        broken = []
        for id_ in ids:
            try:
                records |= read(session, kind, [id_])
            except UNREADABLE:
                broken.append(id_)
        return records, broken


def find_bases(
    session: Session, kind: str, ids: Collection[str], *, after: int = 0
) -> dict[str, Basis]:
    """The last entry after entry `after` about each subject, refusals aside; a subject without one is left out."""
    by_id: dict[str, Basis] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), PART):
        newest = (
            select(func.max(_entry.c.seq))
            .where(
                _entry.c.subject_type == kind,
                _entry.c.subject_id.in_(wanted[start : start + PART]),
                _entry.c.action.not_like(f"%{REFUSED}"),
                _entry.c.seq > after,
            )
            .group_by(_entry.c.subject_id)
        )
        for row in session.execute(select(_entry).where(_entry.c.seq.in_(newest))):
            by_id[row.subject_id] = Basis(
                row.seq,
                row.hash,
                row.at,
                row.action,
                row.actor_id,
                parse_body(row.body).get("record"),
            )
    return by_id


def list_ids(session: Session, kind: str, after: str | None, most: int) -> list[str]:
    """At most `most` ids of subjects in the tables, by key, after the id `after` (None: from the first)."""
    column = KINDS[kind].key
    statement = select(column).order_by(column).limit(most)
    if after is not None:
        statement = statement.where(column > (int(after) if KINDS[kind].is_number else after))
    return [str(each) for each in session.execute(statement).scalars()]


def list_told_ids(
    session: Session, kind: str, beyond: str, most: int, *, after: int = 0
) -> list[str]:
    """At most `most` subject ids of entries after entry `after`, refusals aside, sorted as text, beyond id `beyond`."""
    return list(
        session.execute(
            select(_entry.c.subject_id)
            .where(
                _entry.c.subject_type == kind,
                _entry.c.subject_id > beyond,
                _entry.c.seq > after,
                _entry.c.action.not_like(f"%{REFUSED}"),
            )
            .group_by(_entry.c.subject_id)
            .order_by(_entry.c.subject_id)
            .limit(most)
        ).scalars()
    )


# --- Further reads for comparing the record with the ledger

ERASED = "person.erased"
RETURNED = "person.returned"


class EmptiedText(NamedTuple):
    """A private text whose words or salt are gone."""

    id: int
    author_id: str
    created_at: datetime


class HeadPublication(NamedTuple):
    """A message that carries the ledger's head; `dedupe_key` says which and where to."""

    id: int
    dedupe_key: str
    state: str
    created_at: datetime
    settled_at: datetime | None
    last_error: str | None


def list_emptied_texts(session: Session, after: int, most: int) -> tuple[int, list[EmptiedText]]:
    """Of the next `most` texts after id `after`, those emptied or marked as erased without an erasure of their author in
    the ledger; before them the id of the last text that was looked at, `after` itself at the end."""
    last = session.execute(
        select(func.max(PrivateText.id)).where(
            PrivateText.id.in_(
                select(PrivateText.id)
                .where(PrivateText.id > after)
                .order_by(PrivateText.id)
                .limit(most)
            )
        )
    ).scalar()
    if last is None:
        return after, []
    erased = exists().where(
        AuditEntry.subject_type == "person",
        AuditEntry.subject_id == PrivateText.author_id,
        AuditEntry.action == ERASED,
    )
    rows = session.execute(
        select(PrivateText.id, PrivateText.author_id, PrivateText.created_at)
        .where(
            PrivateText.id > after,
            PrivateText.id <= last,
            or_(
                PrivateText.text.is_(None),
                PrivateText.salt.is_(None),
                PrivateText.erased_at.is_not(None),
            ),
            ~erased,
        )
        .order_by(PrivateText.id)
    ).all()
    return int(last), [EmptiedText(*row) for row in rows]


def find_names(session: Session, ids: Collection[str]) -> dict[str, str]:
    """Opaque id → name, for those that are known."""
    rows = session.execute(select(Person.id, Person.name).where(Person.id.in_(sorted(ids))))
    return {row.id: row.name for row in rows}


def find_title(session: Session, kind: str, id_: str) -> str:
    """The name of a subject for texts, like `Lane keeping 11`; empty for one that has none or isn't there."""
    if kind == "approval":
        row = session.execute(
            select(Approval.subject_type, Approval.subject_id, Approval.facts).where(
                Approval.id == int(id_)
            )
        ).first()
        if row is None:
            return ""
        if row.subject_type == "release":
            return str(row.facts.get("subject", ""))
        return find_title(session, row.subject_type, str(row.subject_id))
    if kind == "budget":
        named = session.scalar(
            select(Project.name)
            .join(Budget, Budget.project_id == Project.id)
            .where(Budget.id == int(id_))
        )
        return f"the budget of {named}" if named else ""
    if kind == "model":
        return session.scalar(select(Model.name).where(Model.id == int(id_))) or ""
    if kind == "model_version":
        pair = session.execute(
            select(Model.name, ModelVersion.version)
            .join(Model, Model.id == ModelVersion.model_id)
            .where(ModelVersion.id == int(id_))
        ).first()
        return f"{pair.name} {pair.version}" if pair else ""
    if kind == "milestone":
        return session.scalar(select(Milestone.title).where(Milestone.id == int(id_))) or ""
    return ""


def list_heads(session: Session) -> list[HeadPublication]:
    """The newest 200 publications of the ledger's head, newest first."""
    rows = session.execute(
        select(
            Outbox.id,
            Outbox.dedupe_key,
            Outbox.state,
            Outbox.created_at,
            Outbox.settled_at,
            Outbox.last_error,
        )
        .where(Outbox.dedupe_key >= "head:", Outbox.dedupe_key < "head;")
        .order_by(Outbox.id.desc())
        .limit(200)
    )
    return [HeadPublication(*row) for row in rows]


def list_cancelled_alarms(session: Session) -> Sequence[tuple[int, datetime]]:
    """The newest 100 cancelled alarms about the record: outbox id and created_at."""
    return session.execute(
        select(Outbox.id, Outbox.created_at)
        .where(
            Outbox.dedupe_key >= "record:",
            Outbox.dedupe_key < "record;",
            Outbox.state == OutboxState.CANCELLED,
        )
        .order_by(Outbox.id.desc())
        .limit(100)
    ).all()


def was_cancelled_by_somebody(session: Session, outbox_id: int) -> bool:
    """Whether the ledger has an entry that this outbox row was cancelled."""
    return (
        session.execute(
            select(AuditEntry.seq)
            .where(
                AuditEntry.subject_type == "outbox",
                AuditEntry.subject_id == str(outbox_id),
                AuditEntry.action == "outbox.cancelled",
            )
            .limit(1)
        ).first()
        is not None
    )


def find_first_at(session: Session) -> datetime | None:
    """The time of the first entry (governed time); None for an empty ledger."""
    return session.execute(
        select(AuditEntry.at).order_by(AuditEntry.seq).limit(1)
    ).scalar_one_or_none()


def find_first_sealed(session: Session) -> int | None:
    """The number of the first entry with a seal; None when there is none."""
    return session.execute(
        select(func.min(AuditEntry.seq)).where(AuditEntry.body.like('%,"record":{%'))
    ).scalar_one_or_none()


def find_erasures(session: Session, ids: Collection[str]) -> dict[str, tuple[int, datetime]]:
    """Person → number and time of the entry that erased them, for those who are erased by the ledger.

    Somebody whom Slack says is active again has a later entry `person.returned`, and is left out.
    """
    rows = session.execute(
        select(AuditEntry.subject_id, AuditEntry.seq, AuditEntry.at, AuditEntry.action)
        .where(
            AuditEntry.subject_type == "person",
            AuditEntry.subject_id.in_(sorted(ids)),
            AuditEntry.action.in_((ERASED, RETURNED)),
        )
        .order_by(AuditEntry.seq)
    )
    latest = {row.subject_id: row for row in rows}
    return {
        person_id: (row.seq, row.at) for person_id, row in latest.items() if row.action == ERASED
    }


def was_erased(session: Session, person_id: str) -> bool:
    """Whether the ledger has an erasure of this person, returned or not: their texts stay erased either way."""
    row = session.execute(
        select(AuditEntry.seq)
        .where(
            AuditEntry.subject_type == "person",
            AuditEntry.subject_id == person_id,
            AuditEntry.action == ERASED,
        )
        .limit(1)
    )
    return row.first() is not None


def list_erased_without_entry(session: Session) -> list[tuple[str, datetime]]:
    """At most 100 people who are marked as erased without an entry in the ledger: opaque id and when."""
    known = exists().where(
        AuditEntry.subject_type == "person",
        AuditEntry.subject_id == Person.id,
        AuditEntry.action == ERASED,
    )
    rows = session.execute(
        select(Person.id, Person.erased_at)
        .where(Person.erased_at.is_not(None), ~known)
        .order_by(Person.id)
        .limit(100)
    )
    return [(row.id, row.erased_at) for row in rows]


def find_last_facts(session: Session, action: str, kind: str, id_: str) -> dict[str, Any] | None:
    """The facts of the last entry with this action about a subject; None when there is none."""
    body = session.scalar(
        select(AuditEntry.body)
        .where(
            AuditEntry.subject_type == kind,
            AuditEntry.subject_id == id_,
            AuditEntry.action == action,
        )
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    )
    return None if body is None else parse_body(body).get("facts")


def open_subjects(session: Session, kind: str, action: str) -> list[str]:
    """Ids of the subjects of this type whose last entry has this action."""
    last = (
        select(func.max(AuditEntry.seq))
        .where(AuditEntry.subject_type == kind)
        .group_by(AuditEntry.subject_id)
    )
    return list(
        session.execute(
            select(AuditEntry.subject_id).where(
                AuditEntry.seq.in_(last), AuditEntry.action == action
            )
        ).scalars()
    )


def find_linked(session: Session) -> dict[str, str]:
    """Opaque id of a person known from files → of the person of Slack that they were linked to."""
    rows = session.execute(
        select(AuditEntry.subject_id, AuditEntry.body).where(
            AuditEntry.subject_type == "person", AuditEntry.action == "person.linked"
        )
    )
    current_by_old = {}
    for row in rows:
        facts = parse_body(row.body).get("facts") or {}
        if "was" in facts:
            current_by_old[str(facts["was"])] = row.subject_id
    return current_by_old
