"""What the ledger proves of an approval: a statement is issued from this, and the tables must agree with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit import queries as entries_of
from storage.audit import standing
from storage.audit.tables import AuditEntry
from storage.enums import ApprovalState, Verdict
from workflows.errors import GovernanceError


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
    basis = standing.find_bases(session, "approval", [str(approval_id)]).get(str(approval_id))
    tables, broken = standing.read_readable(session, "approval", [str(approval_id)])
    table = tables.get(str(approval_id))
    if basis is None or broken or table is None:
        raise RecordDisagrees(approval_id)
    entries = [
        (row, standing.parse_body(row.body).get("facts") or {})
        for row in entries_of.list_about(session, [("approval", str(approval_id))])
        if not row.action.endswith(standing.REFUSED)
    ]
    verdicts = [row for row, _ in entries if row.action in _ENDS]
    opened = [row for row, _ in entries if row.action == "approval.opened"]
    asking = [(row, facts["asked"]) for row, facts in entries if facts.get("asked")]
    if (
        not verdicts
        or verdicts[-1].action != "approval.approved"
        or not opened
        or not asking
        or (basis.record is not None and not standing.are_equal(basis.record, table))
        or (basis.record is None and not _older_agree(entries, table))
    ):
        raise RecordDisagrees(approval_id)
    asked_in, asked = asking[-1]
    rests_on = {basis.seq, asked_in.seq, verdicts[-1].seq, *(row.seq for row in opened)}
    if standing.digest(asked) != table["asked"] or not all(
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


def _older_agree(entries: list[tuple[AuditEntry, dict[str, Any]]], table: standing.Record) -> bool:
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
        standing.parse_body(row.body).get("facts", {}).get("sha256")
        for row in entries_of.list_about(session, [("policy", version)])
        if row.action == "policy.adopted"
    ]
    table = standing.read(session, "policy", [version]).get(version)
    if not digests or table is None or {table["sha256"], table["named"]} != {digests[-1]}:
        raise RecordDisagrees(approval_id)
    return str(digests[-1])
