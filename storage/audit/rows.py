"""The rows that the ledger governs, in the few values that decide: ids, times, amounts and digests.

Never a name, a Slack id or a word that somebody wrote.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import BindParameter, ColumnElement, Table, bindparam, func, select
from sqlalchemy.orm import Session

from storage.actions.tables import ApprovalCondition, ApprovalReview
from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.budgets.tables import Budget, BudgetRevision
from storage.delivery.tables import Runtime
from storage.enums import Period
from storage.inventory.tables import Model, ModelPerson, ModelVersion
from storage.money import money_text
from storage.people.tables import Person, SlackAlias
from storage.policies.tables import PolicyVersion
from storage.statements.tables import SigningKey, Statement
from storage.tokens.tables import ApiToken

Record = dict[str, Any]
"""How one subject stands, as JSON."""

PART = 400
"""Subjects in one statement."""
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
    """SHA-256 over canonical JSON, 32 hexadecimal digits of it."""
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
    """Opaque ids in the place of Slack's, so that erasing somebody changes nothing here."""
    if isinstance(value, str):
        return people.get(value, value).removeprefix(_PERSON)
    if isinstance(value, dict):
        return {key: _without_slack_ids(each, people) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_slack_ids(each, people) for each in value]
    return value


def _people(session: Session, slack_ids: Collection[str]) -> dict[str, str]:
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


def _whom(value: Any, people: Mapping[str, str]) -> str | None:
    """The digest of whom a stage asks; None where it names somebody by a Slack id whom nobody here has met."""
    if _slack_ids(value) - people.keys():
        return None
    return digest(_without_slack_ids(value, people))


_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
# Built once: every click that is decided ends with these.
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
        _beside(session, more, records)
    named = {each for row in stages for each in _slack_ids([row.approvers, row.rules])}
    people = _people(session, named) if named else {}
    for row in stages:
        whom = _whom([row.approvers, row.rules], people)
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


def _beside(session: Session, ids: list[int], records: dict[str, Record]) -> None:
    """What requests are bound to beside their verdicts: conditions, and the review of broken glass."""
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
            # Elsewhere the last day follows from the budget that takes over, whose entry it is.
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
    """Those who were erased; what is mirrored from Slack changes without an entry."""
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
    """Whose the database is, and that nobody of theirs was left under a key from before."""
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
    """One type of subject: how its rows are read, and the column that the ledger names them by."""

    read: Callable[[Session, Sequence[str]], dict[str, Record]]
    key: ColumnElement[Any]
    is_number: bool = False
    is_locked: bool = True
    """Whether others may change the rows while an entry about the subject is written."""


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
"""Everything that is sealed, by the type of subject that entries name."""


def read(session: Session, kind: str, ids: Collection[str]) -> dict[str, Record]:
    """How these subjects stand now; who is not there is left out."""
    records: dict[str, Record] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), PART):
        records |= KINDS[kind].read(session, wanted[start : start + PART])
    return records
