"""What one click costs: the statements of an ordinary approval, counted, so that none comes back unseen."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from storage import ledger
from tests.budgets.conftest import days
from tests.stories.office import FAY, POLICY, TIM, Office, opened
from workflows.approvals import reads

ONE_STAGE = POLICY.replace(
    "      - {name: Budget owner, approvers: [subject.owner]}\n", ""
).replace("approvers: [role:finance]", "approvers: [role:finance], quorum: 2")
MOST = 19
"""15 on SQLite and 18 on PostgreSQL, which is asked for the time and told what only reads, where governed time is real time. Where time is moved,
as here, one more reads by how much."""
HELD = {"sqlite": 3, "postgresql": 2}
"""From taking the ledger's head on: others wait for each."""
ONLY = {
    "type": "radio_buttons",
    "selected_option": {
        "text": {"type": "plain_text", "text": "January only", "emoji": True},
        "value": "period",
    },
}


@contextmanager
def counted() -> Iterator[list[tuple[int, str]]]:
    """Every statement of this process meanwhile: the thread and the text. Where a transaction begins is none."""
    asked: list[tuple[int, str]] = []

    def note(_c: Any, _u: Any, sql: str, _v: Any, _x: Any, _m: bool) -> None:
        if not sql.startswith(("BEGIN", "PRAGMA")):
            asked.append((threading.get_ident(), " ".join(sql.split())))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def requested(office: Office) -> None:
    """Tim asks for more money."""
    office.project("triage", "Ticket triage")
    office.costs(days(date(2026, 1, 1), 20, "45"))
    tim = office.sandbox.seat(TIM)
    alert = office.card(tim, "C0TRIAGE", "budgets.increase")
    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase")
    asked = {
        "amount": {"amount": "1500"},
        "scope": {"scope": ONLY},
        "reason": {"reason": "More GPUs"},
    }
    assert tim.submit(tim.modals()[-1].id, asked).ok
    office.settle()


def test_an_ordinary_approval_takes_few_statements(database_url: str, tmp_path: Path) -> None:
    with opened(database_url, tmp_path, policy=ONE_STAGE) as office:
        requested(office)
        fay = office.sandbox.seat(FAY)
        card = office.card(fay, fay.dm().id, "approvals.approve")
        with counted() as asked:
            clicked = fay.click(
                channel_id=fay.dm().id, ts=card.ts, action_id="approvals.approve", message=card
            )
            assert clicked.ok
        (decided,) = {thread for thread, sql in asked if sql.startswith("INSERT INTO decision")}
        statements = [sql for thread, sql in asked if thread == decided]
        assert len(statements) <= MOST, "\n".join(sql[:160] for sql in statements)
        head = next(
            place for place, sql in enumerate(statements) if sql.startswith("SELECT audit_head.")
        )
        backend = office.db.engine.dialect.name
        held = [sql for sql in statements[head:] if "audit_" in sql]
        assert len(held) == HELD[backend], held
        # Nothing else comes between: the transaction ends with them.
        assert statements[head : head + len(held)] == held
        office.settle()
        with office.db.read() as session:
            assert ledger.verify(session) is None
            assert len(reads.list_open(session)) == 1
