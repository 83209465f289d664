"""What people do with milestones: who may, what is refused with which sentence, and what the ledger keeps."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from storage.enums import MilestoneStatus
from storage.people.tables import Person
from tests.contexts import make_context
from tests.milestones.conftest import ORG, Team, actor
from workflows import clock
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, Stale
from workflows.milestones import service
from workflows.milestones.forms import AddMilestone, Reschedule


@pytest.fixture
def lane(team: Team) -> Team:
    """Leo owns the project, Nora manages it, Kiran sponsors it; Hana has promised a data sheet."""
    team.project("lane")
    team.add("hana", "lane", "Data sheet", date(2026, 2, 2))
    return team


def refused(
    team: Team, kind: type[GovernanceError], work: Callable[[Any], object]
) -> GovernanceError:
    """The refusal; nothing may have changed."""
    with team.db.read() as session:
        before = session.execute(text("SELECT * FROM milestone")).all()
    with pytest.raises(kind) as caught, team.db.begin() as session:
        work(session)
    with team.db.read() as session:
        assert session.execute(text("SELECT * FROM milestone")).all() == before
    return caught.value


def ledger(team: Team) -> list[tuple[str, dict[str, Any]]]:
    with team.db.read() as session:
        rows = session.execute(
            text(
                "SELECT action, body FROM audit_entry WHERE action LIKE 'milestone.%' ORDER BY seq"
            )
        )
        return [(action, json.loads(body)) for action, body in rows]


@pytest.mark.parametrize("who", ["hana", "leo", "nora", "kiran"])
def test_who_answers_for_it_changes_it(lane: Team, who: str) -> None:
    lane.act(service.mark_at_risk, who, 1, reason="labels")
    assert lane.milestone(1).status is MilestoneStatus.AT_RISK


def test_others_are_told_whom_to_ask_and_the_ledger_hears_of_it(lane: Team) -> None:
    error = refused(
        lane,
        NotAllowed,
        lambda session: service.mark_at_risk(
            make_context(session, actor=actor("apa"), policy=lane.policy, now=clock.now(session)),
            1,
            revision=1,
            reason="x",
        ),
    )
    assert (
        error.sentence
        == "Only those who answer for this milestone can change it. Ask Hana or Nora or Leo or Kiran."
    )
    assert error.audit is not None
    assert error.audit.facts == {"why": "not_answering"}


def test_what_was_shown_must_be_what_is(lane: Team) -> None:
    lane.act(service.mark_at_risk, "hana", 1, reason="labels")
    error = refused(
        lane,
        Stale,
        lambda session: service.drop(
            make_context(session, actor=actor("hana"), policy=lane.policy, now=clock.now(session)),
            1,
            revision=1,
            reason="x",
        ),
    )
    assert "changed since it was shown" in error.sentence
    lane.act(service.complete, "hana", 1, proof="seen")
    error = refused(
        lane,
        Stale,
        lambda session: service.complete(
            make_context(session, actor=actor("leo"), policy=lane.policy, now=clock.now(session)),
            1,
            revision=3,
            proof="x",
        ),
    )
    assert "done already" in error.sentence


@pytest.mark.parametrize(
    ("by", "values", "kind", "field", "sentence"),
    [
        ("apa", {"project": "lame"}, NotFound, "project", "no such project here"),
        ("apa", {"owner_id": "p_hana"}, NotAllowed, "owner", "You can add milestones of your own to Lane"),
        ("leo", {"owner_id": "p_nobody"}, InvalidInput, "owner", "a member of the organisation"),
        ("leo", {"due": date(2026, 1, 4)}, InvalidInput, "due", "has passed already"),
        ("leo", {"title": "data SHEET"}, InvalidInput, "title", "an open milestone of that name, due Mon 2 Feb"),
        ("leo", {"needs": (99,)}, InvalidInput, "needs", "no such milestone here"),
    ],
)  # fmt: skip
def test_what_cannot_be_added(
    lane: Team,
    by: str,
    values: dict[str, Any],
    kind: type[GovernanceError],
    field: str,
    sentence: str,
) -> None:
    form = AddMilestone(
        **(
            {"project": "lane", "title": "Launch", "due": date(2026, 3, 2), "request_key": "k"}
            | values
        )
    )
    error = refused(
        lane,
        kind,
        lambda session: service.add_milestone(
            make_context(
                session, actor=actor(by), policy=lane.policy, now=clock.now(session), org=ORG
            ),
            form,
        ),
    )
    assert (error.field, sentence in error.sentence) == (field, True), error.sentence


def test_the_same_window_twice_adds_one(lane: Team) -> None:
    ids = {lane.add("leo", "lane", "Launch", date(2026, 3, 2)) for _ in range(2)}
    assert len(ids) == 1


def test_a_member_adds_for_themselves_alone(lane: Team) -> None:
    lane.add("apa", "lane", "Mine", date(2026, 3, 2))
    lane.add("nora", "lane", "Theirs", date(2026, 3, 2), owner="apa")
    assert lane.milestone(3).owner.name == "Apa"  # type: ignore[union-attr]


@pytest.mark.parametrize("flag", ["is_guest", "is_bot", "is_deactivated", "is_stranger"])
def test_it_is_handed_to_members_only(lane: Team, flag: str) -> None:
    with lane.db.begin() as session:
        person = session.get(Person, "p_apa")
        assert person is not None
        setattr(person, flag, True)
    error = refused(
        lane,
        InvalidInput,
        lambda session: service.hand_over(
            make_context(
                session, actor=actor("hana"), policy=lane.policy, now=clock.now(session), org=ORG
            ),
            1,
            revision=1,
            to="p_apa",
        ),
    )
    assert error.field == "to"


def test_the_ledger_keeps_every_change_and_no_words(lane: Team) -> None:
    lane.act(service.mark_at_risk, "hana", 1, reason="my mother is ill")
    lane.act(service.mark_on_track, "hana", 1)
    with lane.db.begin() as session:
        form = Reschedule(milestone_id=1, revision=3, new=date(2026, 2, 9))
        service.reschedule(
            make_context(session, actor=actor("hana"), policy=lane.policy, now=clock.now(session)),
            form,
            reason="she is ill",
        )
    lane.act(service.hand_over, "hana", 1, to="p_leo")
    with lane.db.begin() as session:
        choices = service.list_choices(
            make_context(session, actor=actor("leo"), policy=lane.policy, now=clock.now(session)), 1
        )
        service.snooze(
            make_context(session, actor=actor("leo"), policy=lane.policy, now=clock.now(session)),
            1,
            until=choices[0].until,
        )
    lane.act(service.complete, "leo", 1, proof="seen by Mum")
    kept = ledger(lane)
    assert [action for action, _ in kept] == [
        "milestone.added",
        "milestone.at_risk",
        "milestone.on_track",
        "milestone.rescheduled",
        "milestone.handed_over",
        "milestone.snoozed",
        "milestone.done",
    ]
    assert "ill" not in str(kept)
    assert "Mum" not in str(kept)
    assert "Data sheet" not in str(kept)
    moved = kept[3][1]["facts"]
    assert (moved["old"], moved["new"], moved["slip"]) == ("2026-02-02", "2026-02-09", 7)


def test_what_is_mine_and_due(lane: Team) -> None:
    lane.add("hana", "lane", "Later", date(2026, 6, 1))
    lane.add("nora", "lane", "Hers", date(2026, 1, 12))
    lane.at(clock_at(lane, 14))
    with lane.db.read() as session:
        now = clock.now(session)
        mine = service.list_due(
            make_context(session, actor=actor("hana"), policy=lane.policy, now=now)
        )
        theirs = service.list_due(
            make_context(session, actor=actor("leo"), policy=lane.policy, now=now)
        )
    assert [one.title for one in mine] == ["Data sheet"]
    assert theirs == ()


def clock_at(team: Team, days: int) -> Any:
    return team.now().replace(day=5 + days)
