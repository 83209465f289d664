"""Requests go by the user group that was meant when they were opened, whatever becomes of its handle."""

import pytest
from sqlalchemy import update

from storage.approvals.tables import ApprovalStage
from storage.people.tables import UserGroup
from tests.approvals.conftest import ORG, START, House
from tests.contexts import make_context
from workflows.approvals import policy_simulation, submission
from workflows.approvals.forms import BreakGlass
from workflows.approvals.stages import Stage
from workflows.context import OPERATOR
from workflows.errors import GovernanceError
from workflows.people import service as people
from workflows.people.forms import GroupSeen

REFUSED = (
    "The stage Finance goes by @finance, and {why}, so it names nobody. Nothing was sent. "
    "Ask an administrator to {remedy}."
)
SHARED = REFUSED.format(
    why="2 user groups have the handle @finance",
    remedy="write the id of the right one in the policy instead (S0FINANCE or S0MAL), "
    "or give the others another handle",
)
MOVED = REFUSED.format(
    why="another user group has the handle @finance by now",
    remedy="put the policy in force again if S0MAL is the right one (`mlgov policy apply`), "
    "or write S0FINANCE in it instead of @finance",
)
GONE = REFUSED.format(
    why="no user group has the handle @finance any more",
    remedy="give S0FINANCE that handle again, or name another user group in the policy",
)


def tells(house: House, slack_id: str, handle: str, *members: str) -> None:
    """Slack tells of a group in an event; without members it is the group's name alone that changed."""
    seen = GroupSeen(
        slack_id,
        handle,
        handle.title(),
        members=tuple(f"U0{name.upper()}" for name in members) or None,
    )
    with house.db.begin() as session:
        people.upsert_groups(make_context(session, org=ORG, now=house.now), [seen], read_at=None)
        people.settle_handles(make_context(session, policy=house.policy, org=ORG, now=house.now))


@pytest.fixture
def house(house: House) -> House:
    """The policy came into force, and its handles mean the groups of that day."""
    with house.db.begin() as session:
        people.settle_handles(make_context(session, policy=house.policy, org=ORG, now=house.now))
    return house


def at_finance(house: House) -> int:
    """A request that waits for finance."""
    id_ = house.submit("tim", house.project())
    house.decide("ola", id_)
    return id_


def test_a_stage_keeps_the_id_and_shows_the_handle_as_it_was(house: House) -> None:
    id_ = at_finance(house)
    with house.db.read() as session:
        row = session.get_one(ApprovalStage, (id_, 1))
        (approver,) = Stage.of(row).approvers
        assert Stage.of(row).stored()["approvers"] == row.approvers
    assert approver.rule == "role:finance"
    assert approver.who == ("S0FINANCE", "U0EVE")
    assert approver.written == ("@finance", "U0EVE")
    assert "Finance partners" in house.card(id_).rounds[1].asked
    with house.db.begin() as session:
        session.execute(update(UserGroup).values(slack_id="S0OTHER"))
    assert "@finance" in house.card(id_).rounds[1].asked


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([("S0MAL", "finance", "ned")], SHARED),
        ([("S0FINANCE", "money"), ("S0MAL", "finance", "ned")], MOVED),
        ([("S0FINANCE", "money")], GONE),
    ],
)
def test_a_waiting_request_goes_by_its_group_and_a_new_one_is_refused(
    house: House, events: list[tuple[str, ...]], sentence: str
) -> None:
    id_ = at_finance(house)
    for event in events:
        tells(house, *event)
    with pytest.raises(GovernanceError) as refused:
        house.decide("ned", id_)
    assert "Finance" in refused.value.sentence
    assert house.card(id_).stage == 1
    with pytest.raises(GovernanceError) as unclear:
        house.submit("tim", house.project())
    assert unclear.value.sentence == sentence
    house.decide("fay", id_)
    house.decide("fred", id_)
    assert house.state(id_) == "approved"
    house.ledger_holds()


def test_once_confirmed_new_requests_ask_the_new_group_and_old_ones_the_old(house: House) -> None:
    old = at_finance(house)
    tells(house, "S0FINANCE", "money")
    tells(house, "S0MAL", "finance", "ned", "fred")
    with house.db.begin() as session:
        people.confirm_handles(
            make_context(session, actor=OPERATOR, policy=house.policy, org=ORG, now=house.now)
        )
    new = at_finance(house)
    for id_, mine, other in ((old, "fay", "ned"), (new, "ned", "fay")):
        with pytest.raises(GovernanceError):
            house.decide(other, id_)
        house.decide(mine, id_)
        house.decide("fred", id_)
        assert house.state(id_) == "approved"


def test_a_group_that_is_gone_decides_nothing_any_more(house: House) -> None:
    id_ = at_finance(house)
    with house.db.begin() as session:
        session.execute(
            update(UserGroup).where(UserGroup.slack_id == "S0FINANCE").values(is_disabled=True)
        )
    with pytest.raises(GovernanceError):
        house.decide("fay", id_)


def test_an_escalation_that_names_nobody_is_refused_at_the_opening(house: House) -> None:
    house.text = house.text.replace(
        "    expires_after", "    escalate: {after: 1d, add: ['@chiefs']}\n    expires_after"
    )
    with pytest.raises(GovernanceError, match="goes by @chiefs, and no user group"):
        house.submit("tim", house.project())


def test_nobody_breaks_the_glass_by_a_handle_that_another_group_took(house: House) -> None:
    house.text = house.text.replace(
        "    expires_after",
        "    break_glass: {by: ['@finance'], review_within: 1d}\n    expires_after",
    )
    id_ = at_finance(house)
    tells(house, "S0FINANCE", "money")
    tells(house, "S0MAL", "finance", "ned")
    for name in ("ned", "fay"):
        with pytest.raises(
            GovernanceError, match=r"does not let you break the glass|no such request"
        ):
            house.act(name, BreakGlass(**house.as_shown(id_), reason="It burns."))


def test_a_stage_of_an_earlier_release_that_still_names_a_handle_means_nobody(house: House) -> None:
    id_ = at_finance(house)
    with house.db.begin() as session:
        row = session.get_one(ApprovalStage, (id_, 1))
        row.approvers = [{"rule": "role:finance", "who": ["@finance", "U0EVE"]}]
    with pytest.raises(GovernanceError):
        house.decide("fay", id_)
    house.decide("eve", id_)


def test_the_way_of_a_request_of_an_earlier_release_is_still_known(house: House) -> None:
    id_ = at_finance(house)
    with house.db.read() as session:
        stage = Stage.of(session.get_one(ApprovalStage, (id_, 1)))
    by_handle = (submission.digest_demand(stage.as_written()),)
    assert submission.digest_demand(stage) not in by_handle
    bound = submission.Bound(way=by_handle)
    assert submission.list_beyond(bound, "p-tim", submission.Way((stage,), {})) == ()
    moved = Stage.of(
        type(
            "Row", (), {**stage.stored(), "approvers": [{"rule": "role:finance", "who": ["S0MAL"]}]}
        )
    )
    assert submission.list_beyond(bound, "p-tim", submission.Way((moved,), {})) != ()


def test_a_simulation_goes_by_what_the_handles_would_mean(house: House) -> None:
    id_ = at_finance(house)
    tells(house, "S0FINANCE", "money")
    tells(house, "S0MAL", "finance", "ned", "fred")
    with house.db.read() as session:
        result = policy_simulation.simulate_policy(
            make_context(session, policy=house.policy, org=ORG), since=START
        )
    assert [(one.id, one.effect) for one in result.requests] == [(id_, "routed")]
