"""A workspace with open requests joins an Enterprise Grid: nobody becomes somebody new."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot import app, installed
from bot.web.server import WebServer
from sandbox.org import Enterprise
from storage.enums import ApprovalState
from storage.people.tables import Person
from storage.runtime import facts, governed_now
from tests import cli
from tests.conftest import KEY, fresh_url
from tests.stories.office import FAY, FRED, OLA, Office, opened
from tests.stories.test_road import ONLY, decide, over_budget, state, texts
from workflows.errors import GovernanceError
from workflows.record.scanning import Look

pytestmark = pytest.mark.slow

ACME = Enterprise("E0ACME", "Acme Group", "acme-group")
GLOBAL = {
    "U0OLA": "W0OLA", "U0TIM": "W0TIM", "U0FAY": "W0FAY", "U0FRED": "W0FRED", "U0ADA": "W0ADA", "U0GUS": "W0GUS",
}  # fmt: skip


def wider() -> dict[str, Any]:
    """The app's manifest with the scope that an exchange of ids needs."""
    made = installed.load_manifest()
    made["oauth_config"]["scopes"]["bot"].append("tokens.basic")
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, app_manifest=wider()) as running:
        yield running


def ask(office: Office, user_id: str) -> None:
    """Somebody asks for more, from the alert in the channel."""
    seat = office.sandbox.seat(user_id)
    alert = office.card(seat, "C0TRIAGE", "budgets.increase")
    assert seat.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase").ok
    assert seat.submit(
        seat.modals()[-1].id,
        {
            "amount": {"amount": "1500"},
            "scope": {"scope": ONLY},
            "reason": {"reason": "More GPUs for the backlog"},
        },
    ).ok
    office.settle()


def mlgov(office: Office, *words: str) -> tuple[int, str]:
    """The command line, with the settings of the office."""
    read = office.bot.deps.settings
    return cli.run(
        *words,
        SLACK_BOT_TOKEN=office.sandbox.bot_token,
        SLACK_API_URL=office.sandbox.api_url,
        MLGOV_DATABASE_URL=read.mlgov_database_url.get_secret_value(),
        MLGOV_POLICY=str(read.mlgov_policy),
        MLGOV_ERASURE_KEY=KEY.decode(),
    )


def people(office: Office) -> dict[str, tuple[str, str | None]]:
    """Name → opaque id and Slack id."""
    with office.db.read() as session:
        rows = session.execute(select(Person).where(Person.is_stranger.is_(False)))
        return {row.name: (row.id, row.slack_id) for row in rows.scalars()}


@contextmanager
def started_again(office: Office) -> Iterator[Office]:
    """mlgov as it starts on what stands there now."""
    bot = app.create(office.bot.deps.settings, made_by="demo")
    server = WebServer(bot.web(serve_slack=True), "127.0.0.1", 0)
    try:
        server.start()
        bot.start()
        office.sandbox.deliver_to(f"{server.url}/slack/events")
        yield replace(office, bot=bot, base_url=server.url)
    finally:
        office.sandbox.deliver_to(None)
        server.stop()
        bot.stop()


def faults(office: Office) -> list[Any]:
    with office.db.read() as session:
        return Look().all(session, governed_now(session)).faults


def dump(office: Office) -> Any:
    """Everything that could have been written to."""
    with office.db.read() as session:
        rows = session.execute(select(Person.id, Person.org_key, Person.slack_id))
        return sorted(rows.all()), facts(session)


@pytest.mark.parametrize("translates_ids", [True, False])
def test_requests_go_on_and_nobody_approves_their_own(office: Office, translates_ids: bool) -> None:
    over_budget(office)
    ask(office, FAY)
    assert decide(office, OLA).ok
    before = people(office)
    office.bot.stop()
    office.sandbox.world.join_grid(ACME, GLOBAL, translates_ids=translates_ids)

    stood = dump(office)
    with pytest.raises(GovernanceError, match="has joined the Enterprise Grid E0ACME"):
        app.create(office.bot.deps.settings, made_by="demo")
    for words in (("sync",), ("outbox", "review")):
        code, told = mlgov(office, *words)
        assert code == 1
        assert "mlgov organisation move" in told
    assert "has joined the Enterprise Grid" in mlgov(office, "doctor")[1]
    assert dump(office) == stood

    code, told = mlgov(office, "organisation", "move", "--dry-run")
    assert code == 0, told
    assert "T0ACME → E0ACME: 7 people would be called by the Grid's ids" in told
    assert "1 request that waits goes on" in told
    assert "Nothing was changed" in told
    assert dump(office) == stood

    code, told = mlgov(office, "organisation", "move", "--yes")
    assert code == 0, told
    code, told = mlgov(office, "organisation", "move", "--yes")
    assert code == 1
    assert "there is nothing to move" in told
    assert "the Enterprise Grid E0ACME; before, T0ACME" in mlgov(office, "organisation")[1]
    assert mlgov(office, "audit", "verify")[0] == 0

    after = people(office)
    assert {name: id_ for name, (id_, _) in after.items()} == {
        name: id_ for name, (id_, _) in before.items()
    }
    assert after["Fay"][1] == "W0FAY"
    with started_again(office) as running:
        assert running.bot.deps.team.org_key == "E0ACME"
        fay = running.sandbox.seat(FAY)
        card = running.card(fay, "C0TRIAGE", "approvals.approve")
        assert fay.click(channel_id="C0TRIAGE", ts=card.ts, action_id="approvals.approve").ok
        running.private(fay, "You asked for this")
        assert state(running) is ApprovalState.PENDING
        assert decide(running, FRED).ok
        assert state(running) is ApprovalState.APPROVED
        assert "is now 1,500 EUR" in texts(running, OLA)[-1]
        assert people(running).keys() == before.keys()
        assert faults(running) == []


def test_without_the_scope_it_says_which(tmp_path: Path, sqlite_template: Path) -> None:
    file = tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, file)
    with opened(f"sqlite:///{file}", tmp_path) as office:
        office.bot.stop()
        code, told = mlgov(office, "organisation", "move")
        assert (code, "there is nothing to move" in told) == (1, True)
        office.sandbox.world.join_grid(ACME, GLOBAL)
        code, told = mlgov(office, "organisation", "move")
        assert code == 1
        assert "tokens.basic" in told
