"""People whom Slack no longer knows, or no longer lists, have left; many at once are kept until it is certain."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.delivery.rendering import Scene
from bot.people import messages
from bot.people.lookup import SlackSilent
from bot.people.mirror import MOST_ASKED
from sandbox.org import User
from storage import runtime
from storage.audit.tables import AuditEntry
from storage.delivery.tables import Outbox
from storage.people.tables import Person
from tests.contexts import make_context
from tests.people.directory.conftest import BEN, FAY, FRED, OLA, Opened, Place, one_workspace
from workflows import clock, policy
from workflows.people import mirror
from workflows.people import service as people
from workflows.people.mirror import PeopleMissing

pytestmark = pytest.mark.slow
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOW = timedelta(0)


def active(place: Place) -> set[str]:
    with place.db.read() as session:
        rows = session.execute(
            select(Person.slack_id).where(
                Person.org_key == place.team.org_key,
                Person.is_bot.is_(False),
                Person.is_deactivated.is_(False),
            )
        )
        return {str(slack_id) for (slack_id,) in rows}


def left(place: Place) -> list[dict[str, Any]]:
    """Why each of them counts as having left, by the ledger."""
    with place.db.read() as session:
        bodies = session.execute(
            select(AuditEntry.body)
            .where(AuditEntry.action == "person.left")
            .order_by(AuditEntry.seq)
        ).scalars()
        return [json.loads(body)["facts"] for body in bodies]


def move(place: Place, by: timedelta) -> None:
    with place.db.begin() as session:
        runtime.set_offset(session, runtime.offset(session) + by)


def crowd(many: int) -> dict[str, Any]:
    """So many more people."""
    made = one_workspace()
    made["users"] += [
        {"id": f"U0X{n:03}", "name": f"x{n}", "real_name": f"X {n}", "team": "T0ACME"}
        for n in range(many)
    ]
    return made


def leave(place: Place, who: Sequence[str]) -> None:
    for user_id in who:
        place.world.remove_user(user_id)


def test_whom_slack_does_not_know_has_left(acme: Place) -> None:
    acme.world.remove_user(FAY)
    actor = acme.directory.confirm(FAY, ["@finance"], max_age=NOW)
    assert actor.is_deactivated
    assert FAY not in active(acme)
    assert left(acme) == [{"why": "unknown"}]
    acme.directory.confirm(FAY, [], max_age=NOW)
    assert len(left(acme)) == 1, "once"
    acme.world.add_user(User(id=FAY, team_id="T0ACME", name="fay", real_name="Fay"))
    assert not acme.directory.confirm(FAY, [], max_age=NOW).is_deactivated


@pytest.mark.parametrize("error", ["user_not_visible", "users_not_found"])
@ONE
def test_every_word_of_slacks_for_unknown_is_no(acme: Place, error: str) -> None:
    acme.sandbox.faults.refuse("users.info", error=error)
    assert acme.directory.confirm(FAY, [], max_age=NOW).is_deactivated


@ONE
def test_what_slack_told_since_the_question_stands(acme: Place) -> None:
    with acme.db.begin() as session:
        asked_at = clock.real_now(session) - timedelta(minutes=1)
        gone = mirror.leave(
            make_context(session, org="T0ACME", now=clock.now(session)),
            [FAY],
            read_at=asked_at,
            why=mirror.UNKNOWN,
        )
    assert gone == 0
    assert FAY in active(acme)


def test_who_is_not_listed_any_more_has_left(acme: Place) -> None:
    before = active(acme)
    acme.world.remove_user(FRED)
    result = acme.read()
    assert (result.left, result.kept) == (1, 0)
    assert active(acme) == before - {FRED}
    assert left(acme) == [{"why": "unlisted"}]
    assert acme.read().left == 0


@ONE
def test_a_list_that_leaves_somebody_out_whom_slack_knows_proves_nothing(acme: Place) -> None:
    before = active(acme)
    fred = acme.world.users[FRED]
    acme.world.users[FRED] = replace(fred, team_ids=["T0OTHER"])
    assert acme.read().left == 0
    assert active(acme) == before


@ONE
@pytest.mark.parametrize(
    "error", ["internal_error", "user_not_found", "users_not_found", "missing_scope"]
)
def test_a_reading_that_failed_or_ended_half_way_proves_nothing(
    acme: Place, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.people.lookup.PAGE", 2)
    monkeypatch.setattr("bot.people.lookup._TRIES", 1)
    before = active(acme)
    leave(acme, [FRED, FAY])
    answered = acme.asked("users.list")

    def after_a_page(kind: str, count: int) -> None:
        if count <= 2:
            acme.sandbox.faults.refuse("users.list", error=error)

    with pytest.raises(SlackSilent):
        acme.directory.reader._refresher.read_people(after_a_page)
    assert acme.asked("users.list") > answered + 1
    assert active(acme) == before
    assert left(acme) == []


def test_many_at_once_are_kept_for_a_day_and_administrators_hear_of_it(open_place: Opened) -> None:
    place = open_place(crowd(40))
    place.read()
    before = active(place)
    gone = [f"U0X{n:03}" for n in range(12)]
    leave(place, gone)
    result = place.read()
    assert (result.left, result.kept) == (0, 12)
    assert active(place) == before
    one = gone[0]
    assert place.directory.confirm(one, [], max_age=NOW).is_deactivated, "asked about"
    move(place, timedelta(hours=23))
    assert (place.read().left, len(active(place))) == (0, len(before) - 1)
    move(place, timedelta(hours=2))
    result = place.read()
    assert (result.left, result.kept) == (11, 0)
    assert active(place) == before - set(gone)


@ONE
def test_who_is_listed_again_begins_anew(open_place: Opened) -> None:
    place = open_place(crowd(40))
    place.read()
    gone = [f"U0X{n:03}" for n in range(12)]
    users = {one: place.world.users[one] for one in gone}
    leave(place, gone)
    assert place.read().kept == 12
    place.world.users.update(users)
    move(place, timedelta(hours=23))
    assert place.read().kept == 0
    leave(place, gone)
    move(place, timedelta(hours=2))
    assert (place.read().left, place.read().kept) == (0, 12)


@ONE
def test_an_administrator_may_accept_it(open_place: Opened) -> None:
    place = open_place(crowd(2 * MOST_ASKED))
    place.read()
    before = active(place)
    gone = [f"U0X{n:03}" for n in range(MOST_ASKED + 5)]
    leave(place, gone)
    assert place.read().kept == len(gone)
    asked = place.asked("users.info")
    result = place.directory.reader.read(10, print, accept=True)
    assert result is not None
    assert (result.left, result.kept) == (len(gone), 0)
    assert place.asked("users.info") == asked, "of so many the list is believed"
    assert active(place) == before - set(gone)


@ONE
def test_administrators_read_who_is_missing_once_a_day(open_place: Opened) -> None:
    place = open_place(crowd(40))
    place.read()
    leave(place, [f"U0X{n:03}" for n in range(12)])
    place.read()
    rules = policy.parse(
        f"version: 1\norganisation: {{name: Acme}}\nroles: {{admin: [{OLA}]}}\n"
    ).policy
    for _ in range(2):
        with place.db.begin() as session:
            mirror.notify_administrators(
                make_context(session, policy=rules, org="T0ACME", now=clock.now(session))
            )
    with place.db.read() as session:
        posts = session.execute(
            select(Outbox.notice).where(Outbox.kind == PeopleMissing.kind)
        ).all()
        told = mirror.read(session, PeopleMissing("T0ACME"))
        now = clock.now(session)
    assert len(posts) == 1
    words = messages.missing(told, PeopleMissing("T0ACME"), Scene(now, rules))
    assert words.text.startswith("Slack no longer lists 12 people whom mlgov knows: X 0, X 1, X 10")
    assert "2 others" in words.text
    assert "mlgov sync --accept" in str(words.blocks)


@pytest.mark.parametrize(
    ("missing", "there", "is_much"),
    [(1, 3, False), (2, 3, True), (10, 20, False), (11, 20, True), (10, 5000, False),
     (11, 109, True), (11, 110, False), (500, 5000, False), (501, 5000, True)],
)  # fmt: skip
def test_how_many_are_too_many_to_believe(missing: int, there: int, is_much: bool) -> None:
    assert mirror.is_suspicious(missing, there) is is_much


@ONE
def test_who_had_left_before_and_who_was_never_described_are_no_news(acme: Place) -> None:
    with acme.db.begin() as session:
        assert people.find_or_add_person(session, "T0ACME", "U0NEVER")
    acme.world.remove_user(BEN)
    assert acme.read().left == 0
    assert "U0NEVER" in active(acme)
