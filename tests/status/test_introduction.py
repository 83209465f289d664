"""The first meeting: three lines, once, by what somebody is."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.slack.replies import Private
from bot.status import messages, words
from storage.status import queries
from tests.approvals.conftest import ORG, POLICY, House
from tests.contexts import make_context
from tests.status.conftest import home
from workflows import rollout, status
from workflows.context import OPERATOR
from workflows.people import service as people
from workflows.status import following
from workflows.status.records import Part


def meet(house: House, name: str, way: rollout.Way) -> bool:
    return house.db.run(
        lambda session: rollout.record_meeting(session, f"p-{name}", way, now=house.now)
    )


def after_card(house: House, name: str) -> None:
    house.db.run(
        lambda session: rollout.introduce_after_card(
            session, ORG, f"U0{name.upper()}", now=house.now
        )
    )


@given(
    st.builds(
        Part,
        decides=st.booleans(),
        projects=st.lists(st.text(max_size=300), max_size=4).map(tuple),
        leads=st.booleans(),
        administers=st.booleans(),
    )
)
def test_whoever_somebody_is_it_takes_three_short_lines(part: Part) -> None:
    told = words.introduction(part)
    assert len(told) == 3
    assert all(len(line) < 260 and "\n" not in line for line in told)
    answer = messages.introduced(Private("Nothing waits for you."), part)
    assert answer.text == "Nothing waits for you."
    assert answer.blocks[0]["text"]["text"] == "Nothing waits for you."


def test_it_says_what_it_does_for_them(house: House) -> None:
    house.text = POLICY.replace("roles:\n", "roles:\n  leader: [U0NED]\n  admin: [U0EVE]\n")
    house.project()
    said = {}
    with house.db.read() as session:
        for name in ("ola", "tim", "fay", "ned", "eve"):
            part = status.load_part(
                make_context(session, actor=house.actor(name), policy=house.policy)
            )
            said[name] = " ".join(words.introduction(part))
    assert "You decide" in said["ola"]
    assert "*Lane vision*" in said["ola"]
    assert "keeps who asked for what" in said["tim"]
    assert "You decide" in said["fay"]
    assert "status all" in said["ned"]
    assert "/mlgov rollout" in said["eve"]


def test_everybody_is_met_once_wherever_it_is(house: House) -> None:
    assert meet(house, "ola", "command")
    assert not meet(house, "ola", "home")
    after_card(house, "ola")
    after_card(house, "tim")
    after_card(house, "tim")
    assert not meet(house, "tim", "command")
    assert house.told("front.introduction") == ["U0TIM"]


def test_guests_strangers_bots_and_leavers_are_told_nothing(house: House) -> None:
    for name in ("gus", "sam", "bob", "lea", "nobody"):
        after_card(house, name)
    assert house.told("front.introduction") == []


def test_a_first_home_keeps_the_lines_for_a_day(house: House) -> None:
    lines = "The Home tab shows all that concerns you"
    meet(house, "ola", "home")
    meet(house, "tim", "command")
    assert lines in str(home(house, "ola"))
    assert lines not in str(home(house, "tim"))
    assert lines not in str(home(house, "ola", at=house.now + timedelta(hours=25)))


def test_what_the_front_door_knows_of_a_person_is_exported_and_erased(house: House) -> None:
    meet(house, "tim", "home")
    with house.db.begin() as session:
        following.turn_page(session, "p-tim", "projects", 1)
        queries.insert_withheld(
            session,
            {
                "dedupe_key": "nudge:1:p-tim",
                "person_id": "p-tim",
                "kind": "nudge",
                "subject_type": None,
                "subject_id": None,
                "rollout": "me",
                "withheld_at": house.now,
            },
        )
    with house.db.read() as session:
        kept = people.export(session, "p-tim")
    assert (kept["met"][0]["way"], kept["home"][0]["pages"]) == ("home", {"projects": 1})
    assert kept["withheld"][0]["kind"] == "nudge"
    with house.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=house.now), "p-tim")
    with house.db.read() as session:
        assert queries.find_meeting(session, "p-tim") is None
        assert queries.find_pages(session, "p-tim") == {}
        assert not queries.was_withheld(session, "nudge:1:p-tim")
