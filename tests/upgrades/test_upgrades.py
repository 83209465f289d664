"""A database of any earlier revision, with rows in every table, comes to the newest one and is what it was."""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sandbox.messages import Message
from storage import ledger, migrate, triggers
from storage.db import Database
from tests.conftest import BACKENDS
from tests.contexts import make_context
from tests.stories.office import Office, opened
from tests.upgrades import dumps
from tests.upgrades.dumps import Dump
from workflows import policy as policies
from workflows.approvals import reads
from workflows.budgets import service as budgets
from workflows.people import service as people
from workflows.record import telling
from workflows.record.scanning import Look

KEPT = dumps.kept()
OWN = sorted(revision for revision, source in KEPT.items() if revision == source)
CASES = [
    pytest.param(
        revision,
        backend,
        # Revisions that came with others in one commit differ in no way that matters twice.
        marks=[pytest.mark.heavy] if backend == "postgres" and revision not in OWN else [],
    )
    for revision in KEPT
    for backend in BACKENDS
]
MAYA = "U0MAYA"
APPROVE = "approvals.approve"


def test_every_revision_but_the_newest_has_a_dump() -> None:
    """Whoever adds a migration makes a dump of the revision before it: `python -m tests.upgrades.make_dumps`."""
    assert KEPT.keys() == migrate.known_revisions() - {migrate.newest_revision()}
    for revision in OWN:
        for backend in BACKENDS:
            assert dumps.path(revision, backend).exists(), (revision, backend)


def test_the_dumps_stay_small() -> None:
    assert sum(file.stat().st_size for file in dumps.FOLDER.iterdir()) < 100_000 * len(OWN) * 2


@pytest.mark.slow
@pytest.mark.parametrize(("revision", "backend"), CASES)
def test_it_is_what_it_was(
    revision: str, backend: str, empty_url: Callable[[str], str], tmp_path: Path
) -> None:
    dump = dumps.read(revision, backend)
    url = empty_url(backend)
    database = Database(url)
    try:
        dumps.load(database, dump)
        before = _rows(database)
        assert [table for table, content in before.items() if not content["rows"]] == []
        if dump.rows_of == revision:
            assert before == dump.tables
        for step in migrate.list_steps(revision):
            assert migrate.upgrade(database, target=step.revision)[1] == step.revision
            _sound(database)
        _binds_to_groups(database)
        assert migrate.read_standing(database).fits
        assert _differences(before, _rows(database)) == []
        _read(database, dump, set(before))
    finally:
        database.close()
    if revision in OWN and (backend == "sqlite" or revision in (OWN[0], OWN[-1])):
        with opened(
            url, tmp_path, world=dump.world, policy=dump.policy, at=datetime.fromisoformat(dump.at)
        ) as office:
            _press_the_old_button(office, dump)


def _rows(database: Database) -> dumps.Rows:
    with database.reshaping(keep=False) as connection:
        return dumps.rows(connection)


def _binds_to_groups(database: Database) -> None:
    """No stage that waits still names a user group by a handle that one group alone has."""
    with database.read() as session:
        waiting = session.execute(
            text(
                "SELECT s.approvers FROM approval_stage s JOIN approval a ON a.id = s.approval_id WHERE a.state = 'pending'"
            )
        ).scalars()
        named = {
            who
            for told in waiting
            for one in (json.loads(told) if isinstance(told, str) else told)
            for who in one["who"]
        }
        found = session.execute(
            text("SELECT '@' || handle FROM user_group WHERE NOT is_disabled")
        ).scalars()
        assert not named & set(found)


def _sound(database: Database) -> None:
    with database.read() as session:
        connection = session.connection()
        assert migrate.list_dangling(connection) == []
        assert triggers.list_names(connection) >= triggers.list_expected(connection.dialect.name)
        assert ledger.verify(session) is None


MEANT = {("runtime", "oldest_revision")}
"""What a migration itself says anew."""


def _differences(before: dumps.Rows, after: dumps.Rows) -> list[str]:
    """Tables in which a row, or a column of one, is not what it was."""
    changed = []
    for table, content in before.items():
        names = [name for name in content["columns"] if (table, name) not in MEANT]
        kept = [content["columns"].index(name) for name in names]
        was = [[row[place] for place in kept] for row in content["rows"]]
        places = [after[table]["columns"].index(name) for name in names]
        now = [[row[place] for place in places] for row in after[table]["rows"]]
        if _by_handle(table, names, now) != _by_handle(table, names, was):
            changed.append(table)
    return changed


def _by_handle(table: str, names: Sequence[str], rows: Any) -> Any:
    """Stages with user groups as the policy has them: since 0017 those that wait keep the id, and the handle beside it."""
    if table != "approval_stage":
        return rows

    def plain(told: Any) -> Any:
        if isinstance(told, list):
            return [plain(each) for each in told]
        if not isinstance(told, dict):
            return told
        who = {"who": told["written"]} if "written" in told else {}
        return {name: plain(each) for name, each in {**told, **who}.items() if name != "written"}

    return [
        [
            plain(json.loads(value)) if value and name in {"approvers", "rules"} else value
            for name, value in zip(names, row, strict=True)
        ]
        for row in rows
    ]


_TABLES = {
    "approval": ("approval", "approval_stage", "decision"),
    "budget": ("budget", "budget_revision"),
    "model": ("model",),
    "model_version": ("model_version", "model_person"),
    "token": ("api_token",),
    "key": ("signing_key",),
    "statement": ("statement",),
    "policy": ("policy_version",),
}


def _agrees(database: Database, dump: Dump, tables: Collection[str]) -> None:
    """Entries of releases that sealed nothing tell less, and what they tell is what the rows say.

    A dump that takes a later one's rows has entries about tables that were not there yet: only `tables` were.
    """
    with database.read() as session:
        look = Look().all(session, datetime.fromisoformat(dump.at))
        told = telling.describe_faults(session, look.faults)
    filled = set(dump.filled) | {
        table for of_kind in _TABLES.values() for table in of_kind
    }.difference(tables)
    assert [
        one.sentence for one in told if not filled.intersection(_TABLES.get(one.fault.kind, ()))
    ] == []
    assert look.subjects > 5


def _read(database: Database, dump: Dump, tables: Collection[str]) -> None:
    """What the services of this release say of people, requests and budgets, beside what the rows held."""
    policy = policies.parse(dump.policy).policy
    now = datetime.fromisoformat(dump.at)
    names = dict(zip(dump.column("person", "id"), dump.column("person", "name"), strict=True))
    with database.read() as session:
        assert {id_: one.name for id_, one in people.list_people(session, names).items()} == names
        for place, id_ in enumerate(int(one) for one in dump.column("approval", "id")):
            card = reads.card(make_context(session, policy=policy, now=now), id_)
            assert card.state.value == dump.column("approval", "state")[place]
            assert card.requester.name == names[dump.column("approval", "requester_id")[place]]
        projects = [int(one) for one in dump.column("budget", "project_id")]
        burning = budgets.burns_by_project(make_context(session, policy=policy, now=now), projects)
    _agrees(database, dump, tables)
    amounts = {one.budget_id: one.amount for round_ in burning.values() for one in round_}
    assert amounts == _amounts(dump)


def _amounts(dump: Dump) -> dict[int, Decimal]:
    """The newest amount of each budget that is good on the dump's day."""
    today, newest = dump.at[:10], {}
    columns = ("budget_id", "revision", "amount", "valid_from", "valid_until")
    rows = zip(*(dump.column("budget_revision", name) for name in columns), strict=True)
    for budget, _revision, amount, since, until in sorted(rows, key=lambda row: int(row[1])):
        if since <= today and (until is None or until >= today):
            newest[int(budget)] = Decimal(amount)
    return newest


def _press_the_old_button(office: Office, dump: Dump) -> None:
    """Maya has a card from before the upgrade, with the blocks of its time. She presses Approve on it."""
    if "webhook" in dump.tables:
        with office.db.begin() as session:  # a test calls nobody
            session.execute(text("UPDATE webhook SET removed_at = created_at"))
    shown = [_put_back(office, card) for card in dump.cards]
    maya = office.sandbox.seat(MAYA)
    card = next(message for message in shown if message.channel_id == maya.dm().id)
    before = _states(office, dump)
    assert maya.click(channel_id=card.channel_id, ts=card.ts, action_id=APPROVE).ok
    office.settle()
    after = _states(office, dump)
    assert [(before[id_], after[id_]) for id_ in before if before[id_] != after[id_]] == [
        ("pending", "approved")
    ]
    assert [ephemeral.text for ephemeral in maya.ephemerals()] == []
    for message in shown:
        if "Ticket triage" in message.text:
            now = office.sandbox.world.channels[message.channel_id].messages[message.ts]
            assert now.text == "Approved: January's budget for Ticket triage is now 52,000 EUR"
            assert APPROVE not in str(now.blocks)
    with office.db.read() as session:
        burning = budgets.burns_by_project(
            make_context(session, policy=office.bot.deps.policy, now=office.now()), [1]
        )
        assert ledger.verify(session) is None
    _agrees(office.db, dump, dump.tables)
    assert [one.amount for one in burning[1]] == [Decimal(52_000)]


def _states(office: Office, dump: Dump) -> dict[int, str]:
    policy, now = office.bot.deps.policy, office.now()
    ids = [int(one) for one in dump.column("approval", "id")]
    with office.db.read() as session:
        return {
            id_: reads.card(make_context(session, policy=policy, now=now), id_).state.value
            for id_ in ids
        }


def _put_back(office: Office, card: dict[str, Any]) -> Message:
    """A card where it was: the same conversation, the same timestamp, the same blocks."""
    world = office.sandbox.world
    if card["user"] is not None:
        world.open_im(card["user"])
    message = Message(
        channel_id=card["channel"],
        ts=card["ts"],
        user_id=world.app.bot_user_id,
        team_id=world.app.team_id,
        text=card["text"],
        blocks=card["blocks"],
        metadata=card["metadata"],
        bot_id=world.app.bot_id,
        app_id=world.app.id,
    )
    world.channels[message.channel_id].messages[message.ts] = message
    return message


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_source_of_cost_belongs_to_whoever_loaded_it_first(
    backend: str, empty_url: Callable[[str], str]
) -> None:
    """The ledger tells: the command line what the dump holds, and the token `farm` what it brought in since."""
    dump = dumps.read("0016", backend)
    database = Database(empty_url(backend))
    try:
        dumps.load(database, dump)
        own = sorted(set(dump.column("cost_load", "source")))
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE api_token SET name = 'farm' WHERE id = (SELECT min(id) FROM api_token WHERE kind = 'machine')"
                )
            )
            program = connection.execute(
                text("SELECT person_id FROM api_token WHERE name = 'farm'")
            ).scalar_one()
            columns = [name for name in dump.tables["cost_load"]["columns"] if name != "id"]
            listed = ", ".join(columns)
            given = ", ".join("'gpu-farm'" if name == "source" else name for name in columns)
            connection.execute(
                text(
                    f"INSERT INTO cost_load (id, {listed}) SELECT 9999, {given} FROM cost_load WHERE id = (SELECT min(id) FROM cost_load)"
                )
            )
            for place, actor in enumerate((program, "operator"), 1):
                connection.execute(
                    text(
                        "INSERT INTO audit_entry (seq, at, actor_id, action, subject_type, subject_id, body, hash)"
                        " SELECT seq + :place, at, :actor, 'costs.loaded', 'cost_load', '9999', '{}', hash FROM audit_entry"
                        " WHERE seq = (SELECT max(seq) FROM audit_entry WHERE action <> 'costs.loaded' OR subject_id <> '9999')"
                    ),
                    {"place": place, "actor": actor},
                )
        migrate.upgrade(database)
        with database.read() as session:
            rows = session.execute(text("SELECT source, token FROM cost_source"))
            found = {source: token for source, token in rows}
        assert found == {**dict.fromkeys(own), "gpu-farm": "farm"}
    finally:
        database.close()
