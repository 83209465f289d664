"""The yardstick of `digests`: the same questions as plain SQL through sqlite3, for every reader; nothing is made of the answers.

python -m benchmarks.digests_alone DATABASE.db READERS OUT.json
"""

import json
import sqlite3
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import portfolio
from storage.base import MoneySum
from storage.money import money_text

_BELOW = """
WITH RECURSIVE below(id) AS (SELECT :person UNION SELECT p.id FROM person p JOIN below b ON p.manager_id = b.id)
SELECT id FROM project WHERE owner_id IN (SELECT id FROM below) OR sponsor_id IN (SELECT id FROM below)
   OR manager_id IN (SELECT id FROM below)
"""
_QUESTIONS = (
    """SELECT b.id, b.project_id, p.name, b.currency, r.amount, m.spent FROM budget b JOIN project p ON p.id = b.project_id
    JOIN budget_revision r ON r.budget_id = b.id AND r.revision = (SELECT max(revision) FROM budget_revision x
      WHERE x.budget_id = b.id AND x.valid_from <= '2026-01-31' AND (x.valid_until IS NULL OR x.valid_until >= '2026-01-01'))
    LEFT JOIN (SELECT k.project_id, c.currency, money_sum(c.effective) AS spent FROM cost_month c
      JOIN allocation_key k ON k.id = c.allocation_key_id WHERE c.month = '2026-01-01' {k} GROUP BY k.project_id, c.currency) m
      ON m.project_id = b.project_id AND m.currency = b.currency
    WHERE b.period = 'month' AND b.starts <= '2026-01-31' {b}""",
    """SELECT DISTINCT k.project_id, l.source FROM cost_month c JOIN allocation_key k ON k.id = c.allocation_key_id
    JOIN cost_load l ON l.id = c.load_id WHERE c.month <= '2026-01-26' {k}""",
    """SELECT k.project_id, p.name, e.currency, money_sum(CASE WHEN e.charge_date >= '2026-01-19' THEN e.effective END),
      money_sum(CASE WHEN e.charge_date < '2026-01-19' THEN e.effective END) FROM cost_entry e
    JOIN allocation_key k ON k.id = e.allocation_key_id JOIN project p ON p.id = k.project_id
    WHERE e.charge_date >= '2026-01-12' AND e.charge_date <= '2026-01-25' {k} GROUP BY k.project_id, p.name, e.currency""",
    """SELECT a.budget_id, min(a.created_at) FROM budget_alert a JOIN budget b ON b.id = a.budget_id
    WHERE a.threshold >= 100 AND a.created_at >= :since AND a.created_at < :until {b} GROUP BY a.budget_id""",
    """SELECT id, project_id, state, created_at, decided_at FROM approval
    WHERE state != 'pending' AND decided_at >= :month AND decided_at < :until {a}""",
    """SELECT d.approval_id, d.position, s.name, d.person_id, d.decided_at FROM decision d JOIN approval a ON a.id = d.approval_id
    JOIN approval_stage s ON s.approval_id = d.approval_id AND s.position = d.position
    WHERE a.state IN ('approved', 'rejected') AND a.decided_at >= :month AND a.decided_at < :until {x}""",
    "SELECT count(*) FROM approval WHERE state = 'pending' AND expires_at > :until {a}",
    """SELECT a.id, s.approvers FROM approval a JOIN approval_stage s ON s.approval_id = a.id AND s.position = a.stage
    LEFT JOIN decision d ON d.approval_id = a.id AND d.person_id = :person
    WHERE a.state = 'pending' AND a.expires_at > :until AND a.requester_id != :person AND d.id IS NULL""",
    """SELECT m.id, m.title, p.name, m.actual FROM milestone m JOIN project p ON p.id = m.project_id
    WHERE m.actual BETWEEN '2026-01-19' AND '2026-01-25' AND m.dropped_at IS NULL {m}""",
    """SELECT m.id, m.title, v.old, v.new FROM milestone_move v JOIN milestone m ON m.id = v.milestone_id
    WHERE v.created_at >= :since AND v.created_at < :until AND m.actual IS NULL AND m.dropped_at IS NULL {m}""",
    """SELECT m.id, m.title, m.forecast FROM milestone m WHERE m.forecast BETWEEN '2026-01-19' AND '2026-02-01'
    AND m.actual IS NULL AND m.dropped_at IS NULL {m}""",
    "SELECT count(*) FROM milestone m WHERE m.forecast < '2026-01-26' AND m.actual IS NULL AND m.dropped_at IS NULL {m}",
)


def main() -> None:
    """Ask everything for every reader."""
    path, readers, out = sys.argv[1:]
    record = sqlite3.connect(path)
    record.create_aggregate("money_sum", 1, MoneySum)  # type: ignore[arg-type]
    texts: dict[str, dict[str, str]] = {}
    began = time.perf_counter()
    for number in range(int(readers)):
        person = portfolio.reader(number)
        texts[person] = _ask(record, person, number < portfolio.LEADERS)
    took = time.perf_counter() - began
    Path(out).write_text(json.dumps({"seconds": took, "said": texts}), encoding="utf-8")
    record.close()


def _ask(record: sqlite3.Connection, person: str, sees_all: bool) -> dict[str, str]:
    until = int(portfolio.NOW.timestamp()) * 1_000_000 - 9 * 3_600_000_000
    week = 7 * 24 * 3_600_000_000
    values: dict[str, Any] = {
        "person": person,
        "until": until,
        "since": until - week,
        "month": until - 4 * week,
    }
    within = {"k": "", "b": "", "a": "", "x": "", "m": ""}
    if not sees_all:
        mine = ", ".join(str(id_) for (id_,) in record.execute(_BELOW, values))
        within = {
            "k": f"AND k.project_id IN ({mine})",
            "b": f"AND b.project_id IN ({mine})",
            "a": f"AND project_id IN ({mine})",
            "x": f"AND a.project_id IN ({mine})",
            "m": f"AND m.project_id IN ({mine})",
        }
    totals: dict[str, Decimal] = {}
    for place, question in enumerate(_QUESTIONS):
        rows = record.execute(question.format(**within), values).fetchall()
        if place == 0:
            for _, _, _, currency, _, spent in rows:
                totals[currency] = totals.get(currency, Decimal(0)) + Decimal(spent or 0)
    return {currency: money_text(total) for currency, total in totals.items()}


if __name__ == "__main__":
    main()
