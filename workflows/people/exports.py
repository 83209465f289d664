"""Exporting what is kept about a person, for the person."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from storage.money import money_text
from storage.people import exports, queries
from workflows.errors import NotFound


def export(session: Session, person_id: str) -> dict[str, Any]:
    """Everything about a person as JSON values: records, words, decisions, messages, and ledger entries that name them.

    Raises NotFound.
    """
    person = queries.find_person(session, person_id)
    if person is None:
        raise NotFound(f"Nobody here has the id {person_id!r}.")
    rows: dict[str, Any] = _plain(exports.collect(session, person))
    rows["person"] = rows["person"][0]
    for entry in rows["ledger"]:
        entry["body"] = json.loads(entry["body"])
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
