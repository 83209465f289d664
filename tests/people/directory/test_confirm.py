"""Before a decision: who somebody is and which groups they are in, as Slack says it now."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from bot import logs
from bot.slack.directory import CannotVerify
from storage.people import queries
from tests.people.directory.conftest import FAY, FRED, OLA, Place
from workflows.people import service as people

pytestmark = pytest.mark.slow

HOUR, NOW = timedelta(hours=1), timedelta(0)
ROLES = {"finance": ["@finance"]}


def approvers(place: Place, *rules: str) -> set[str]:
    with place.db.read() as session:
        found = people.resolve_approvers(session, rules, place.team.org_key, {}, roles=ROLES)
    return {one.slack_id for one in found.values()}


def test_what_is_fresh_is_not_asked_again(acme: Place) -> None:
    acme.sandbox.inspector.clear()
    actor = acme.directory.confirm(FAY, ["role:finance"], max_age=HOUR, roles=ROLES)
    assert actor.is_member
    assert acme.sandbox.inspector.since() == []


def test_what_is_old_is_asked_and_stands_in_the_mirror(acme: Place) -> None:
    acme.world.set_usergroup_members("S0FIN", [OLA])
    acme.world.update_user(FAY, deleted=True)
    assert approvers(acme, "@finance") == {FAY, FRED}
    actor = acme.directory.confirm(FAY, ["role:finance"], max_age=NOW, roles=ROLES)
    assert actor.is_deactivated
    assert approvers(acme, "role:finance") == {OLA}


@pytest.mark.parametrize("rule", ["@finance", "S0FIN"])
def test_a_group_that_is_gone_entitles_nobody(acme: Place, rule: str) -> None:
    acme.world.update_usergroup("S0FIN", date_delete=1)
    acme.directory.confirm(FAY, [rule], max_age=NOW)
    assert approvers(acme, rule) == set()


def test_a_group_that_is_new_is_found_by_its_handle(acme: Place) -> None:
    acme.world.update_usergroup("S0FIN", handle="money")
    acme.directory.confirm(FAY, ["@money"], max_age=HOUR)
    assert approvers(acme, "@money") == {FAY, FRED}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_handle_that_nobody_has_is_not_asked_about_on_every_click(acme: Place) -> None:
    acme.sandbox.inspector.clear()
    for _ in range(3):
        acme.directory.confirm(FAY, ["@nobody"], max_age=HOUR)
    assert acme.asked("usergroups.list") == 1
    assert approvers(acme, "@nobody") == set()


@pytest.mark.parametrize("method", ["users.info", "usergroups.users.list"])
@pytest.mark.parametrize("how", ["limited", "slow", "broken", "refused"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_cannot_be_verified_is_refused_in_time(
    acme: Place, method: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.directory.PATIENCE", 0.4)
    faults = acme.sandbox.faults
    if how == "limited":
        faults.rate_limit(method, retry_after=60)
    elif how == "slow":
        faults.slow(method, seconds=4.0)
    elif how == "broken":
        faults.fail_before(method)
    else:
        faults.refuse(method, error="internal_error")
    began = time.monotonic()
    with pytest.raises(CannotVerify) as refused:
        acme.directory.confirm(FAY, ["@finance"], max_age=NOW)
    assert time.monotonic() - began < 3.6
    assert "could not confirm your" in refused.value.sentence
    assert "Nothing was changed" in refused.value.sentence


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_click_waits_for_slack_at_most_a_second_and_a_half(acme: Place) -> None:
    acme.sandbox.faults.slow("users.info", seconds=4)
    began = time.monotonic()
    with pytest.raises(CannotVerify):
        acme.directory.confirm(FAY, ["@finance"], max_age=NOW)
    assert 1.4 < time.monotonic() - began < 3.5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_act_waits_for_slack_so_long_in_all(
    acme: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.directory.PATIENCE", 0.4)
    monkeypatch.setattr("bot.slack.directory.ALTOGETHER", 0.6)
    acme.sandbox.faults.slow("users.info", seconds=4)
    with logs.log_act(logs.Act("click")) as act:
        for _ in range(6):
            with pytest.raises(CannotVerify):
                acme.directory.confirm(FAY, [], max_age=NOW)
    assert 0.3 < act.waited < 1.5, "six times as long, if each had its own"


def test_many_clicks_at_once_share_one_question(acme: Place) -> None:
    acme.sandbox.faults.slow("usergroups.users.list", seconds=0.3)
    acme.sandbox.inspector.clear()
    start = threading.Barrier(8)
    failed: list[Exception] = []

    def click() -> None:
        start.wait()
        try:
            acme.directory.confirm(FAY, ["@finance"], max_age=timedelta(seconds=0.2))
        except Exception as error:
            failed.append(error)

    time.sleep(0.25)
    clicks = [threading.Thread(target=click) for _ in range(8)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert failed == []
    assert acme.asked("usergroups.users.list") <= 2
    assert acme.asked("users.info") <= 3


def test_the_membership_says_when_it_was_read_and_since_when_it_stands(acme: Place) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    acme.directory.confirm(FAY, ["@finance"], max_age=NOW)
    with acme.db.read() as session:
        (fay, _) = people.resolve_approvers(session, ["@finance"], "T0ACME", {}, roles={}).values()
    assert fay.rule == "@finance"
    assert fay.group == "S0FIN"
    assert fay.membership_read_at is not None
    assert before < fay.membership_read_at < datetime.now(UTC) + timedelta(seconds=5)


def test_guests_leavers_bots_and_strangers_may_not_decide(acme: Place) -> None:
    acme.world.set_usergroup_members("S0FIN", [FAY, "U0GUS", "U0BEN", "U0BOT"])
    acme.read()
    assert approvers(acme, "@finance", "U0GUS", "U0BEN", "U0SAM", "U0BOT") == {FAY}


def test_rules_name_people_groups_roles_and_the_subject(acme: Place) -> None:
    ola = acme.directory.actor(OLA, team_id="T0ACME", enterprise_id=None)
    with acme.db.read() as session:
        found = people.resolve_approvers(
            session,
            ["subject.owner", "subject.sponsor", FAY, "role:finance", "role:none"],
            "T0ACME",
            {"owner": ola.id, "sponsor": None},
            roles=ROLES,
        )
    assert {one.slack_id: one.rule for one in found.values()} == {
        OLA: "subject.owner",
        FAY: FAY,
        FRED: "role:finance",
    }


def test_a_handle_of_two_groups_means_neither(acme: Place) -> None:
    with acme.db.begin() as session:
        queries.insert_groups(
            session,
            [
                {
                    "org_key": "T0ACME",
                    "slack_id": "S0OTHER",
                    "handle": "finance",
                    "name": "x",
                    "is_disabled": False,
                }
            ],
        )
    assert approvers(acme, "@finance") == set()
    assert approvers(acme, "S0FIN") == {FAY, FRED}
