"""Handing out signed statements, and saying whether they still stand."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit import governed
from storage.audit import queries as entries_of
from storage.audit.tables import AuditEntry
from storage.enums import ApprovalState, Verdict
from storage.statements import queries
from storage.statements.queries import ApprovedRelease
from storage.statements.tables import SigningKey, Statement
from workflows import clock
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound
from workflows.statements import envelopes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# --- What the ledger proves of an approval
#
# a statement is issued from this, and the tables must agree with it.


class RecordDisagrees(GovernanceError):
    """The tables say of an approval what the ledger does not: nothing is stated about it."""

    def __init__(self, approval_id: int) -> None:
        super().__init__(
            f"The record of request {approval_id} doesn't agree with the ledger: it was changed outside mlgov. "
            "No statement is issued, and administrators are told. Don't release by it; ask an administrator."
        )
        self.approval_id = approval_id


@dataclass(frozen=True, slots=True)
class Proof:
    """An approval as the ledger has it."""

    seq: int
    """The entry that it rests on: the last one that changed the request."""
    hash: str
    asked: dict[str, Any]
    """What was asked, from the entry that opened the request or changed it last."""
    requested_by: str
    requested_at: datetime
    decided_at: datetime
    deciders: tuple[dict[str, Any], ...]
    """Who approved, and counts: person, stage (the first is 0) and when (ISO 8601)."""
    policy: int
    policy_sha256: str


def prove_approval(session: Session, approval_id: int) -> Proof:
    """The proof of an approval. Raises RecordDisagrees where the ledger has none, or the tables say something else."""
    basis = governed.find_bases(session, "approval", [str(approval_id)]).get(str(approval_id))
    tables, broken = governed.read_readable(session, "approval", [str(approval_id)])
    table = tables.get(str(approval_id))
    if basis is None or broken or table is None:
        raise RecordDisagrees(approval_id)
    entries = [
        (row, governed.parse_body(row.body).get("facts") or {})
        for row in entries_of.list_about(session, [("approval", str(approval_id))])
        if not row.action.endswith(governed.REFUSED)
    ]
    verdicts = [row for row, _ in entries if row.action in _ENDS]
    opened = [row for row, _ in entries if row.action == "approval.opened"]
    asking = [(row, facts["asked"]) for row, facts in entries if facts.get("asked")]
    if (
        not verdicts
        or verdicts[-1].action != "approval.approved"
        or not opened
        or not asking
        or (basis.record is not None and not governed.are_equal(basis.record, table))
        or (basis.record is None and not _older_agree(entries, table))
    ):
        raise RecordDisagrees(approval_id)
    asked_in, asked = asking[-1]
    rests_on = {basis.seq, asked_in.seq, verdicts[-1].seq, *(row.seq for row in opened)}
    if governed.digest(asked) != table["asked"] or not all(
        ledger.is_self_consistent(session, seq) for seq in sorted(rests_on)
    ):
        raise RecordDisagrees(approval_id)
    record = basis.record or table
    return Proof(
        basis.seq,
        basis.hash,
        asked,
        opened[0].actor_id,
        opened[0].at,
        verdicts[-1].at,
        tuple(
            {"person": one["person"], "stage": one["stage"], "at": one["at"]}
            for one in record["decisions"]
            if one["verdict"] == Verdict.APPROVE and one["void"] is None
        ),
        int(record["policy"]),
        _prove_policy(session, approval_id, str(record["policy"])),
    )


_ENDS = frozenset(f"approval.{state.value}" for state in ApprovalState if state.value != "pending")


def _older_agree(entries: list[tuple[AuditEntry, dict[str, Any]]], table: governed.Record) -> bool:
    """Of an entry that sealed nothing: each verdict is on the ledger, by whom, in which stage and when."""
    verdicts = {
        (
            row.actor_id,
            facts.get("stage"),
            facts.get("verdict"),
            row.at.isoformat(timespec="microseconds"),
        )
        for row, facts in entries
        if row.action == "approval.decided"
    }
    rows = {(one["person"], one["stage"], one["verdict"], one["at"]) for one in table["decisions"]}
    return verdicts == rows and table["state"] == ApprovalState.APPROVED


def _prove_policy(session: Session, approval_id: int, version: str) -> str:
    """The digest of the policy that was in force, by the ledger; its text must still have it."""
    digests = [
        governed.parse_body(row.body).get("facts", {}).get("sha256")
        for row in entries_of.list_about(session, [("policy", version)])
        if row.action == "policy.adopted"
    ]
    table = governed.read(session, "policy", [version]).get(version)
    if not digests or table is None or {table["sha256"], table["named"]} != {digests[-1]}:
        raise RecordDisagrees(approval_id)
    return str(digests[-1])


# --- Handing out signed statements, and saying whether they still stand


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A published key."""

    key_id: str
    public_pem: str
    published_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """A statement that was handed out, and whether it stands."""

    id: str
    approval_id: int
    key_id: str
    issued_at: datetime
    expires_at: datetime
    suspended_at: datetime | None
    withdrawn_at: datetime | None
    is_approved: bool
    """Whether the request behind it still counts as approved."""

    def state(self, now: datetime) -> str:
        """`valid`, `suspended`, `withdrawn` or `expired`."""
        if self.withdrawn_at is not None or not self.is_approved:
            return "withdrawn"
        if now >= self.expires_at:
            return "expired"
        return "suspended" if self.suspended_at is not None else "valid"


def publish_key(ctx: Context, key: "Ed25519PrivateKey") -> str:
    """Publish the public half of a key; its id. Again changes nothing. Raises InvalidInput for a retired one."""
    public = key.public_key()
    key_id = envelopes.key_id(public)
    if queries.add_key(ctx.session, key_id, envelopes.public_pem(public), now=ctx.now):
        audit.record(ctx, "key.published", ("key", key_id))
        return key_id
    known = queries.find_key(ctx.session, key_id)
    if known is not None and known.retired_at is not None:
        raise InvalidInput(
            f"The signing key {key_id} was retired. Set MLGOV_SIGNING_KEY_FILE to the new one."
        )
    return key_id


def retire_other_keys(ctx: Context, kept: str) -> int:
    """Sign with no other key any more; what they signed stays provable. How many that was."""
    old = [
        row
        for row in queries.list_keys(ctx.session)
        if row.retired_at is None and row.key_id != kept
    ]
    for row in old:
        row.retired_at = ctx.now
        audit.record(ctx, "key.retired", ("key", row.key_id))
    ctx.session.flush()
    return len(old)


def list_keys(session: Session) -> list[KeyRecord]:
    """Every key in the database, the newest first; see `list_trusted_keys`."""
    return [
        KeyRecord(row.key_id, row.public_pem, row.published_at, row.retired_at)
        for row in queries.list_keys(session)
    ]


def list_trusted_keys(session: Session, *, pins: Collection[str] = ()) -> list[KeyRecord]:
    """The keys that count, the newest first: the ledger says that they were published, and their rows are as it has them.

    Where the policy pins keys, only those: a row that somebody put into the database proves nothing then, whatever
    else they put there.
    """
    rows = {row.key_id: row for row in queries.list_keys(session) if not pins or row.key_id in pins}
    tables, _ = governed.read_readable(session, "key", list(rows))
    bases = governed.find_bases(session, "key", list(rows))
    counted = []
    for key_id, row in rows.items():
        basis = bases.get(key_id)
        if basis is None or key_id not in tables or not _is_named_right(row):
            continue
        if basis.record is not None:
            # When a key was retired is the ledger's to say: whoever brings one back in the database does not.
            retired = basis.record["retired"]
            retired_at = datetime.fromisoformat(retired) if retired else None
        else:
            retired_at = basis.at if basis.action == "key.retired" else None
        counted.append(KeyRecord(key_id, row.public_pem, row.published_at, retired_at))
    return counted


def _is_named_right(row: SigningKey) -> bool:
    """Whether a key's id is that of the key: ids are fingerprints."""
    try:
        return list(envelopes.load_public_keys(row.public_pem)) == [row.key_id]
    except envelopes.KeyRefused:
        return False


def find_envelope(session: Session, approval_id: int) -> str | None:
    """The statement about a request as it was handed out; None when none was."""
    row = queries.find_by_approval(session, approval_id)
    return None if row is None else row.envelope


def issue_statement(ctx: Context, approval_id: int, key: "Ed25519PrivateKey") -> str | None:
    """The signed statement about an approved release: made once, the same ever after. None for any other request.

    It is made from the entries of the ledger, and names the one that it rests on. Raises RecordDisagrees when the
    tables say something else.
    """
    request = queries.lock_approved(ctx.session, approval_id)
    if request is None:
        return None
    known = queries.find_by_approval(ctx.session, approval_id)
    if known is not None:
        return known.envelope
    proven = prove_approval(ctx.session, approval_id)
    statement_id = f"st_{secrets.token_hex(16)}"
    expires_at = proven.decided_at + ctx.policy.statements.valid_for
    if request.valid_until is not None:
        expires_at = min(expires_at, request.valid_until)
    key_id = envelopes.key_id(key.public_key())
    envelope = envelopes.sign_statement(
        _statement(ctx, request, proven, statement_id, expires_at), key
    )
    ctx.session.add(
        Statement(
            id=statement_id,
            approval_id=approval_id,
            key_id=key_id,
            envelope=envelope,
            issued_at=ctx.now,
            expires_at=expires_at,
            suspended_at=None,
            withdrawn_at=None,
        )
    )
    ctx.session.flush()
    audit.record(
        ctx.as_system(),
        "statement.issued",
        ("statement", statement_id),
        approval=approval_id,
        key=key_id,
        digest=proven.asked["digest"],
        rests_on=proven.seq,
        expires_at=expires_at.isoformat(timespec="microseconds"),
    )
    return envelope


def require_proven(session: Session, approval_id: int) -> bool:
    """Whether it is an approved release, by the tables. Raises RecordDisagrees when the ledger does not call it one."""
    if not queries.is_approved_release(session, approval_id):
        return False
    prove_approval(session, approval_id)
    return True


_NOT_ASKED = frozenset({"token", "says_why"})
"""Facts of a release that are about the asking, not about what is asked."""


def _statement(
    ctx: Context, request: ApprovedRelease, proven: Proof, statement_id: str, expires_at: datetime
) -> dict[str, Any]:
    # The rest of the request's row is what the entry sealed, by `proof.prove_approval`.
    facts, bound = proven.asked, request.bound or {}
    ahead = clock.offset(ctx.session)
    return {
        "_type": envelopes.STATEMENT_TYPE,
        "subject": [
            {
                "name": facts["subject"],
                "digest": {"sha256": facts["digest"].removeprefix("sha256:")},
            }
        ],
        "predicateType": envelopes.PREDICATE_TYPE,
        "predicate": {
            "id": statement_id,
            "approval": request.id,
            "gate": request.gate,
            "project": request.project,
            "environment": facts["environment"],
            "commit": facts["commit"],
            "question": bound.get("question"),
            "asked": {
                name: value
                for name, value in facts.items()
                if name not in _NOT_ASKED and value is not None
            },
            "known": {each["name"]: each["value"] for each in bound.get("known", ())},
            "knownAt": bound.get("known_at"),
            "policy": {"version": proven.policy, "sha256": proven.policy_sha256},
            "requestedBy": proven.requested_by,
            "requestedAt": _moment(proven.requested_at),
            "deciders": [
                {"person": one["person"], "stage": one["stage"] + 1, "at": one["at"]}
                for one in proven.deciders
            ],
            "decidedAt": _moment(proven.decided_at),
            "ledger": {"seq": proven.seq, "hash": proven.hash},
            "issuedAt": _moment(ctx.now),
            "expiresAt": _moment(expires_at),
            # Only a demonstration has times of its own; the statement says so, and by how much.
            **({"demonstration": {"ahead": ahead.total_seconds()}} if ahead else {}),
        },
    }


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def find_statement(session: Session, statement_id: str) -> StatementRecord:
    """A statement by its id, and how it stands by the ledger: what was changed in the tables alone brings none back.

    Raises NotFound.
    """
    row = queries.find_statement(session, statement_id)
    basis = governed.find_bases(session, "statement", [statement_id]).get(statement_id)
    if row is None or basis is None:
        raise NotFound(f"There is no statement {statement_id!r} here.")
    record = _record(session, row)
    if basis.record is not None:
        sealed = basis.record
        record = replace(
            record,
            expires_at=min(record.expires_at, datetime.fromisoformat(sealed["expires"])),
            suspended_at=record.suspended_at or _moment_of(sealed["suspended"]),
            withdrawn_at=record.withdrawn_at or _moment_of(sealed["withdrawn"]),
        )
    about = str(row.approval_id)
    approval = governed.find_bases(session, "approval", [about]).get(about)
    if approval is not None and approval.record is not None:
        is_approved = approval.record["state"] == ApprovalState.APPROVED
        record = replace(record, is_approved=record.is_approved and is_approved)
    return record


def _moment_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def list_latest(session: Session, *, most: int = 50) -> list[StatementRecord]:
    """The newest statements."""
    return [_record(session, row) for row in queries.list_statements(session, most=most)]


def suspend_statement(ctx: Context, statement_id: str) -> StatementRecord:
    """Let a statement count for nothing until it is resumed."""
    return _change_statement(ctx, statement_id, "suspended")


def resume_statement(ctx: Context, statement_id: str) -> StatementRecord:
    """Let a suspended statement count again."""
    return _change_statement(ctx, statement_id, "resumed")


def withdraw_statement(ctx: Context, statement_id: str) -> StatementRecord:
    """Let a statement count for nothing, for good."""
    return _change_statement(ctx, statement_id, "withdrawn")


def withdraw_for_approval(ctx: Context, approval_id: int) -> None:
    """The approval holds no more: its statement, if one was handed out, counts for nothing from now on."""
    row = queries.find_by_approval(ctx.session, approval_id)
    if row is None or row.withdrawn_at is not None:
        return
    row.withdrawn_at = ctx.now
    ctx.session.flush()
    audit.record(
        ctx.as_system(), "statement.withdrawn", ("statement", row.id), approval=approval_id
    )


def _change_statement(ctx: Context, statement_id: str, what: str) -> StatementRecord:
    if ctx.actor.kind not in (ActorKind.OPERATOR, ActorKind.SYSTEM):
        raise NotAllowed("Only who operates mlgov suspends or withdraws statements.")
    row = queries.lock_statement(ctx.session, statement_id)
    if row is None:
        raise NotFound(
            f"There is no statement {statement_id!r} here. `mlgov statements list` shows them."
        )
    if row.withdrawn_at is not None:
        raise InvalidInput(f"{statement_id} was withdrawn; that is for good.")
    if what == "withdrawn":
        row.withdrawn_at = ctx.now
    else:
        row.suspended_at = ctx.now if what == "suspended" else None
    ctx.session.flush()
    audit.record(ctx, f"statement.{what}", ("statement", row.id), approval=row.approval_id)
    return _record(ctx.session, row)


def _record(session: Session, row: Statement) -> StatementRecord:
    return StatementRecord(
        row.id,
        row.approval_id,
        row.key_id,
        row.issued_at,
        row.expires_at,
        row.suspended_at,
        row.withdrawn_at,
        queries.is_approved(session, row.approval_id),
    )
