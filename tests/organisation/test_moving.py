"""What a move carries over, what it refuses, and what the ledger proves of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from storage import ledger, runtime
from storage.db import Database
from storage.delivery.tables import Gate, Lane, Message, Outbox, Runtime
from storage.people import identities, queries
from storage.people.tables import Channel, Person, SlackAlias, UserGroup
from tests.contexts import make_context
from workflows import outbox
from workflows.audit import service as audit
from workflows.context import OPERATOR, Actor, ActorKind
from workflows.delivery.reads import reader as reader_of
from workflows.delivery.records import Address
from workflows.errors import InvalidInput, NotAllowed
from workflows.outbox import Destination
from workflows.people import erasure, organisation
from workflows.people import service as people
from workflows.people.erasure import ErasureKeyMissing
from workflows.people.forms import ChannelSeen, GroupSeen, PersonSeen
from workflows.people.identities import PeopleJoined
from workflows.people.organisation import Installed, Known, OtherOrganisation
from workflows.record.scanning import Look

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
T, E = "T0ACME", "E0ACME"
ANA, BEN, CY, BOT = "U0ANA", "U0BEN", "U0CY", "U0BOT"
GRID = {ANA: "W0ANA", BEN: "W0BEN", CY: "W0CY"}
HERE = Known(T, T)
THERE = Installed(E, T, E, "Acme")


def seen(slack_id: str, org: str = T, **more: Any) -> PersonSeen:
    return PersonSeen(org, slack_id, T, slack_id.title(), **more)


def read(session: Session, *described: PersonSeen) -> Mapping[tuple[str, str], str]:
    at = runtime.real_now(session)
    return people.upsert_from_slack(make_context(session, now=NOW), described, read_at=at).ids


@pytest.fixture
def ids(database: Database) -> dict[str, str]:
    """Ana, Ben, Cy, who has left, and a bot, in a workspace that mlgov governs; by Slack id."""
    with database.begin() as session:
        runtime.set_facts(session, {"org_key": T, "team_id": T})
        found = read(
            session, seen(ANA), seen(BEN), seen(CY, is_deactivated=True), seen(BOT, is_bot=True)
        )
        people.upsert_groups(
            make_context(session, org=T, now=NOW),
            [GroupSeen("S0FIN", "finance", "Finance", members=(ANA, BEN))],
            read_at=runtime.real_now(session),
            is_everything=True,
            is_first=True,
        )
        people.upsert_channels(
            make_context(session, org=T, now=NOW),
            [ChannelSeen("C0GOV", "gov", bot_is_member=True, has_guests=False)],
            read_at=runtime.real_now(session),
        )
    return {slack_id: person_id for (_, slack_id), person_id in found.items()}


def move(
    database: Database,
    exchanged: Mapping[str, str] = GRID,
    *,
    here: Known = HERE,
    leaves: bool = False,
) -> organisation.Plan:
    with database.begin() as session:
        return organisation.move(
            make_context(session, actor=OPERATOR, now=NOW), here, THERE, exchanged, leaves=leaves
        )


def faults(database: Database) -> list[str]:
    with database.read() as session:
        assert ledger.verify(session) is None
        return [one.what for one in Look().all(session, NOW).faults]


def everything(database: Database) -> list[Any]:
    with database.read() as session:
        return [
            session.execute(
                select(Person.id, Person.org_key, Person.slack_id).order_by(Person.id)
            ).all(),
            session.execute(select(Lane.key).order_by(Lane.key)).all(),
            session.execute(select(UserGroup.org_key, UserGroup.slack_id)).all(),
            session.execute(select(Channel.org_key, Channel.slack_id)).all(),
            session.execute(select(SlackAlias.slack_id)).all(),
            runtime.facts(session),
        ]


def by(database: Database, slack_id: str, org: str = E) -> str | None:
    with database.read() as session:
        row = queries.find_by_slack_id(session, org, slack_id)
        return row.id if row is not None else None


def test_everybody_is_who_they_were_by_either_id(database: Database, ids: dict[str, str]) -> None:
    plan = move(database)
    assert (len(plan.ids), plan.kept, plan.unmapped) == (3, 1, ())
    for before, after in GRID.items():
        assert by(database, before) == by(database, after) == ids[before]
    assert by(database, BOT) == ids[BOT]
    assert by(database, ANA, T) is None
    with database.read() as session:
        members = queries.list_member_ids(
            session, session.execute(select(UserGroup.id)).scalar_one()
        )
        assert members == {ids[ANA], ids[BEN]}
        assert runtime.facts(session)["org_key"] == E
        group = session.execute(select(UserGroup)).scalar_one()
        channel = session.execute(select(Channel)).scalar_one()
        assert (group.org_key, channel.org_key) == (E, E)
        # All of it has to be asked about again before anybody decides by it.
        assert group.refreshed_at is None
        assert channel.refreshed_at is None
        assert queries.find_by_slack_id(session, E, ANA).refreshed_at is None  # type: ignore[union-attr]
    assert faults(database) == []


def test_what_waits_goes_to_the_same_people_and_notices_can_still_be_shown(
    database: Database, ids: dict[str, str]
) -> None:
    with database.begin() as session:
        notice = PeopleJoined(T, NOW.isoformat())
        to = Destination.person(T, ANA)
        outbox.post(session, notice, to=to, dedupe_key="a", now=NOW)
        outbox.post(session, notice, to=Destination.channel(T, "C0GOV"), dedupe_key="b", now=NOW)
        outbox.publish_home(session, ids[BEN], to=Destination.person(T, BEN), now=NOW)
        session.execute(update(Lane).where(Lane.key == to.key).values(channel="D0ANA", epoch=3))
        session.add(Gate(key=f"{T}:chat.postMessage", not_before=NOW))
    move(database)
    with database.read() as session:
        lanes = {row.key: row for row in session.execute(select(Lane)).scalars()}
        assert {f"slack:{E}:W0ANA", f"slack:{E}:C0GOV", f"home:slack:{E}:W0BEN"} <= set(lanes)
        assert not [key for key in lanes if f":{T}:" in key]
        # Opened anew, and a sender that held it finds its fence broken.
        assert lanes[f"slack:{E}:W0ANA"].channel is None
        assert lanes[f"slack:{E}:W0ANA"].epoch == 4
        rows = {row.dedupe_key: row for row in session.execute(select(Outbox)).scalars()}
        assert rows["a"].lane_key == f"slack:{E}:W0ANA"
        assert rows["a"].notice["org_key"] == rows["b"].notice["org_key"] == E
        assert session.execute(select(func.count()).select_from(Gate)).scalar_one() == 0
        assert session.execute(select(Message)).first() is None


def test_an_active_member_whom_slack_does_not_know_stops_the_move(
    database: Database, ids: dict[str, str]
) -> None:
    before = everything(database)
    known = {slack_id: GRID[slack_id] for slack_id in (ANA, CY)}
    with pytest.raises(InvalidInput, match=r"The Grid doesn't know U0Ben.*--leave-unknown"):
        move(database, known)
    assert everything(database) == before
    plan = move(database, known, leaves=True)
    assert plan.unmapped == ("U0Ben",)
    with database.read() as session:
        ben = queries.find_by_slack_id(session, E, BEN)
        assert ben is not None
        assert (ben.id, ben.is_deactivated) == (ids[BEN], True)
    assert faults(database) == []


def test_whatever_breaks_in_the_middle_leaves_all_as_it_was(
    database: Database, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(database)

    def breaks(*args: Any) -> int:
        raise RuntimeError("the machine went away")

    with monkeypatch.context() as patched:
        patched.setattr(identities, "rename_in_notices", breaks)
        with pytest.raises(RuntimeError):
            move(database)
    assert everything(database) == before
    assert len(move(database).ids) == 3


def test_it_is_moved_once(database: Database, ids: dict[str, str]) -> None:
    move(database)
    with pytest.raises(OtherOrganisation, match="Somebody else has just moved"):
        move(database)
    with database.read() as session:
        entries = session.execute(
            text("SELECT count(*) FROM audit_entry WHERE action = 'organisation.moved'")
        ).scalar_one()
    assert entries == 1


def test_only_who_operates_mlgov_moves_it(database: Database, ids: dict[str, str]) -> None:
    somebody = Actor(ids[ANA], ActorKind.PERSON, "Ana", ANA)
    with database.begin() as session, pytest.raises(NotAllowed):
        organisation.move(
            make_context(session, actor=somebody, now=NOW), HERE, THERE, GRID, leaves=False
        )


def test_the_plan_says_what_a_move_does_and_changes_nothing(
    database: Database, ids: dict[str, str]
) -> None:
    before = everything(database)
    with database.read() as session:
        plan = organisation.plan(session, HERE, E, GRID)
    assert everything(database) == before
    assert (plan.groups, plan.channels, plan.waiting) == (1, 1, 0)
    assert move(database) == plan


# --- who was erased


def erase(database: Database, person_id: str) -> None:
    with database.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)


@pytest.mark.parametrize("told_as", [CY, "W0CY"])
def test_whoever_was_erased_and_has_left_stays_away_by_either_id(
    database: Database, ids: dict[str, str], told_as: str
) -> None:
    erase(database, ids[CY])
    with database.read() as session:
        plan = organisation.plan(session, HERE, E, GRID)
    assert (plan.erased, plan.erased_unknown) == (1, 0)
    move(database)
    with database.begin() as session:
        read(session, seen(told_as, E, is_deactivated=True))
    assert by(database, told_as) is None
    with database.begin() as session:
        found = read(session, seen(told_as, E))
    assert found[E, told_as] == ids[CY]
    assert faults(database) == []


def test_whoever_slack_does_not_list_is_known_by_what_they_had(
    database: Database, ids: dict[str, str]
) -> None:
    with database.begin() as session:
        read(session, seen(CY, is_deactivated=True, email="cy@acme.test"))
    erase(database, ids[CY])
    rest = {ANA: GRID[ANA], BEN: GRID[BEN]}
    with database.read() as session:
        plan = organisation.plan(session, HERE, E, rest)
    assert (plan.erased, plan.erased_unknown) == (0, 1)
    move(database, rest)
    with database.begin() as session:
        read(session, seen(CY, E, is_deactivated=True))
        assert erasure.find_erased_addresses(session, E, ["cy@acme.test"])
    assert by(database, CY) is None


def test_without_the_key_nothing_is_moved(database: Database, ids: dict[str, str]) -> None:
    erase(database, ids[CY])
    before = everything(database)
    database.keep_erasure_key(None)
    with pytest.raises(ErasureKeyMissing):
        move(database)
    assert everything(database) == before


# --- entries that turn out to be one person


def test_a_stranger_of_the_grid_who_is_one_of_ours_becomes_one_with_them(
    database: Database, ids: dict[str, str]
) -> None:
    """Somebody was met in a shared channel, as of the Grid that the workspace had not joined yet."""
    with database.begin() as session:
        read(session, seen("W0ANA", E, is_stranger=True))
    plan = move(database)
    assert plan.joined == 1
    assert by(database, "W0ANA") == by(database, ANA) == ids[ANA]
    assert faults(database) == []


def test_an_id_of_the_grid_that_was_heard_before_the_move_is_the_same_person(
    database: Database, ids: dict[str, str]
) -> None:
    with database.begin() as session:
        read(session, seen("W0BEN"))
    assert move(database, GRID | {"W0BEN": "W0BEN"}).joined == 1
    assert by(database, "W0BEN") == by(database, BEN)
    assert faults(database) == []


def test_people_whom_an_earlier_release_left_behind_come_over(
    database: Database, ids: dict[str, str]
) -> None:
    """It took the Grid's key over, and made everybody anew: Ana acted under both."""
    with database.begin() as session:
        runtime.set_facts(session, {"org_key": E, "team_id": T})
        again = read(session, seen("W0ANA", E), seen("W0BEN", E))
        for person_id in (ids[ANA], again[E, "W0ANA"]):
            actor = Actor(person_id, ActorKind.PERSON, "Ana", ANA)
            audit.record(
                make_context(session, actor=actor, now=NOW), "people.tried", ("person", person_id)
            )
        here = organisation.find_organisation(session)
        assert here is not None
        assert organisation.count_left_behind(session, here) == 4
    assert move(database, here=here).joined == 2
    for before, after in GRID.items():
        assert by(database, before) == by(database, after) == ids[before]
    with database.read() as session:
        assert organisation.count_left_behind(session, Known(E, T)) == 0
        shell = session.get(Person, again[E, "W0ANA"])
        assert shell is not None
        assert (shell.slack_id, shell.is_deactivated) == (None, True)
        assert session.get(Person, again[E, "W0BEN"]) is None
    assert faults(database) == []


# --- who is refused


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        (None, THERE, None),
        (HERE, Installed(T, T, None, "Acme"), None),
        (Known(E, T), Installed(E, "T0TWO", E, "Two"), None),
        (HERE, THERE, "has joined the Enterprise Grid E0ACME"),
        (HERE, Installed(E, E, E, "Acme"), "mlgov organisation move"),
        (HERE, Installed("T0ELSE", "T0ELSE", None, "Else"), "is of T0ELSE (Else)"),
        (HERE, Installed("E0X", "T0ELSE", "E0X", "Else"), "is of E0X (Else)"),
        (Known(E, T), Installed(T, T, None, "Acme"), "no longer part of the Enterprise Grid"),
    ],
)  # fmt: skip
def test_a_token_of_another_organisation_is_refused_in_words(
    here: Known | None, there: Installed, words: str | None
) -> None:
    told = organisation.explain_refusal(here, there)
    assert (words in told) if told and words else told == words


def test_a_process_from_before_the_move_makes_nobody_anew(
    database: Database, ids: dict[str, str]
) -> None:
    move(database)
    with database.begin() as session, pytest.raises(OtherOrganisation, match="Start mlgov again"):
        read(session, seen(ANA))
    with database.begin() as session, pytest.raises(OtherOrganisation, match="Start mlgov again"):
        people.find_or_add_person(session, T, ANA)
    with database.read() as session:
        assert (
            session.execute(
                select(func.count()).select_from(Person).where(Person.org_key == T)
            ).scalar_one()
            == 0
        )


def test_whoever_changes_the_key_outside_mlgov_is_found(
    database: Database, ids: dict[str, str]
) -> None:
    move(database)
    with database.begin() as session:
        session.execute(update(Runtime).values(facts=runtime.facts(session) | {"org_key": "E0X"}))
    assert faults(database) == ["changed"]


def test_a_lane_of_a_persons_other_id_is_theirs(database: Database, ids: dict[str, str]) -> None:
    move(database)
    with database.read() as session:
        for slack_id in (ANA, "W0ANA"):
            address = Address.of(f"slack:{E}:{slack_id}")
            assert reader_of(session, address) == ids[ANA]


@pytest.mark.parametrize("told_as", [ANA, "W0ANA"])
def test_who_is_erased_after_the_move_stays_away_by_either_id(
    database: Database, ids: dict[str, str], told_as: str
) -> None:
    move(database)
    with database.read() as session:
        exported = people.export(session, ids[ANA])
        assert {"org_key": E, "slack_id": ANA} in exported["other_slack_ids"]
    erase(database, ids[ANA])
    with database.read() as session:
        assert identities.list_slack_ids(session, ids[ANA]) == set()
    with database.begin() as session:
        read(session, seen(told_as, E, is_deactivated=True))
    assert by(database, told_as) is None
    assert faults(database) == []
