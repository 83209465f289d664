"""An organisation's database, and importing text into it as if it were a file."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storage.db import Database
from tests.contexts import make_context
from workflows import imports, policy
from workflows.people import service as people
from workflows.people.forms import ChannelSeen, PersonSeen

ORG = "T0ACME"
NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
POLICY = policy.parse(
    """
version: 1
organisation: {name: Acme}
roles: {finance: [U0FAY]}
gates:
  budget_increase: {stages: [{name: Finance, approvers: [role:finance]}]}
"""
).policy


@dataclass(slots=True)
class Desk:
    """Somebody who imports files."""

    db: Database
    work: Path

    def bring(self, kind: str, text: str, **options: Any) -> imports.Report:
        """Import a text as a CSV file."""
        path = self.work / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        return self.bring_file(kind, path, **options)

    def bring_file(self, kind: str, path: Path, **options: Any) -> imports.Report:
        """Import a file."""
        return imports.run(
            self.db, imports.Request(kind, path, **options), policy=POLICY, org_key=ORG
        )


def fill(database: Database) -> None:
    """Ana, Bo and two who share an address are known from Slack; so are two channels, one without the bot."""
    with database.begin() as session:
        people.upsert_from_slack(
            make_context(session, now=NOW),
            [
                PersonSeen(ORG, "U0ANA", ORG, "Ana", "ana@acme.test"),
                PersonSeen(ORG, "U0BO", ORG, "Bo", "bo@acme.test"),
                PersonSeen(ORG, "U0TWIN1", ORG, "Twin", "twin@acme.test"),
                PersonSeen(ORG, "U0TWIN2", ORG, "Twin", "twin@acme.test"),
            ],
            read_at=NOW,
        )
        people.upsert_channels(
            make_context(session, org=ORG, now=NOW),
            [
                ChannelSeen("C0IN", "triage", bot_is_member=True, has_guests=False),
                ChannelSeen("C0OUT", "lane"),
            ],
            read_at=NOW,
        )


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A desk at an organisation with some people and channels."""
    fill(database)
    return Desk(database, tmp_path)


Said = Callable[[imports.Report], str]


def said(report: imports.Report) -> str:
    """The report as it is shown."""
    return "\n".join(imports.lines(report))
