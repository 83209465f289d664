"""The policy as code: what is wrong with a file, what differs, and what requests would have met under it."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from storage import runtime
from storage.db import Database
from storage.people import readings
from tests.approvals.conftest import ORG, POLICY, START, House, ProjectLaunch, populated
from tests.approvals.test_gates import LARGE, OWNER, gate
from tests.contexts import make_context
from tests.mistakes.typed import typed
from workflows import approvable, policy
from workflows.approvals import policy_simulation
from workflows.context import OPERATOR
from workflows.people import approvers
from workflows.people import service as people
from workflows.people.forms import GroupSeen
from workflows.policies import service as policies
from workflows.policies.service import differences
from workflows.policy import PolicyRefused
from workflows.policy.reading import line_of, review


@pytest.fixture
def house(database: Database, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setitem(approvable.SUBJECTS, "project", ProjectLaunch())
    return populated(database)


@pytest.mark.parametrize(
    ("stage", "line", "cause"),
    [
        ("when: increase.percent > 20", 11, r"write 20\.0 for 20"),
        ("when: increase.percentage > 20.0", 11, "there is no fact increase.percentage"),
        ("when: increase.percent >", 11, "Syntax error"),
        ("when: increase.percent + 1.0", 11, "true or false, and this one is double"),
        ("quorum: 0", 11, "greater than or equal to 1"),
        ("all_of: [{approvers: [U0FAY]}]", 11, "one of approvers, all_of and any_of"),
        ("remind_after: [9d]", 9, "before the request expires"),
        ("escalate: {after: 2d}", 11, "one of add, replace and notify"),
        ("approvers: [requester.boss]", 11, "stands here twice"),
        ("nobody: {fallback: [role:nope]}", 1, "there is no role 'nope'"),
    ],
)
def test_a_fault_is_told_with_line_and_cause(stage: str, line: int, cause: str) -> None:
    text = gate(f"{{name: Finance, approvers: [role:finance], {stage}}}")
    with pytest.raises(PolicyRefused, match=cause) as caught:
        policy.parse(text, name="g.yml")
    assert caught.value.sentence.startswith(f"g.yml:{line}:") or line == 1


@pytest.mark.parametrize(
    ("stages", "more", "words"),
    [
        (f"{OWNER}\n{LARGE}", "", None),
        (
            "{name: A, when: increase.percent > 5.0 && increase.percent < 4.0, approvers: [U0FAY]}\n"
            + OWNER,
            "",
            "its condition contradicts itself",
        ),
        (
            "{name: A, when: increase.percent < 4.0, approvers: [U0FAY]}\n" + OWNER,
            "auto_approve: increase.percent <= 5.0",
            "what meets its condition passes by rule before",
        ),
        (
            OWNER,
            "auto_approve: increase.percent > 1.0 || increase.percent <= 1.0",
            "no stage is ever reached",
        ),
        (LARGE, "", "nobody is asked when increase.percent is"),
        ("{name: A, approvers: [U0FAY], quorum: 2}", "", "needs 2 people and names 1"),
        (
            "{name: A, approvers: [U0FAY]}\n{name: B, approvers: [U0FAY]}",
            "",
            "U0FAY is needed in A and in B",
        ),
    ],
)
def test_what_can_be_told_from_the_file_alone(stages: str, more: str, words: str | None) -> None:
    text = gate(stages, more)
    found = review(policy.parse(text).policy)
    assert [told for _, told in found if words is None or words not in told] == []
    assert bool(found) == (words is not None)
    for place, _ in found:
        assert line_of(text, place) > 6


def test_people_and_groups_that_nobody_knows_and_stages_that_nobody_passes(house: House) -> None:
    text = gate(
        '{name: A, approvers: ["@nobody", U0NOPE, S0NOPE, "oncall:@gone"]}\n'
        '{name: B, approvers: ["@finance"], quorum: 3}\n'
        '{name: C, approvers: ["@finance"], quorum: 2}'
    )
    for name in ("fay", "fred"):
        house.flag(name, team_id="T0ACME")  # Slack has described them
    with house.db.read() as session:
        found = approvers.check_against_mirror(
            make_context(session, policy=policy.parse(text).policy, org=ORG)
        )
    told = "\n".join(words for _, words in found)
    for each in ("@nobody", "U0NOPE", "S0NOPE", "@gone"):
        assert f" {each}" in told
    assert "the stage B needs 3 and @finance reaches 2 people" in told
    assert "the stage C" not in told


def test_two_policies_in_words() -> None:
    old = policy.parse(gate(f"{OWNER}\n{LARGE}")).policy
    new = policy.parse(
        gate(
            "{name: Finance, approvers: [role:finance], quorum: 2}\n"
            "{name: Risk, approvers: [role:risk]}",
            "expires_after: 3d",
        ).replace("U0EVE", "U0NED")
    ).policy
    assert differences(old, old) == []
    told = differences(old, new)
    assert "gate budget_increase: the stage Owner is gone" in told
    assert "gate budget_increase: the stage Risk is new: 1 of role:risk" in told
    assert any("quorum was 1, is now 2" in one for one in told)
    assert any(
        "when was increase.percent > 20.0" in one and "is now not set" in one for one in told
    )
    assert "gate budget_increase: expires_after was 7 d, is now 3 d" in told
    assert "role finance gains U0NED" in told
    assert "role finance loses U0EVE" in told


def test_past_requests_under_another_policy(house: House) -> None:
    house.text = gate(f"{OWNER}\n{LARGE}")
    small = house.submit("tim", house.project(), percent=5.0)
    large = house.submit("tim", house.project(), percent=50.0)
    other = policy.parse(
        gate(
            f"{OWNER}\n{{name: Risk, when: increase.percent > 20.0, approvers: [role:risk]}}",
            "auto_approve: increase.percent <= 10.0",
        )
    ).policy
    with house.db.read() as session:
        result = policy_simulation.simulate_policy(
            make_context(session, policy=other, org=ORG), since=START - timedelta(days=1)
        )
    effects = {one.id: (one.effect, one.why) for one in result.requests}
    assert effects[small][0] == "sped_up"
    assert effects[large][0] == "blocked"
    assert "no user group has the handle @risk" in effects[large][1]
    assert result.asked_before["Ola"] == 2
    assert result.asked_after["Ola"] == 0
    with house.db.read() as session:
        same = policy_simulation.simulate_policy(
            make_context(session, policy=house.policy, org=ORG), since=START
        )
    assert {one.effect for one in same.requests} == {"same"}
    assert same.asked_before == same.asked_after


def test_open_requests_stay_on_their_version_unless_they_are_moved(house: House) -> None:
    house.text = gate(f"{OWNER}\n{{name: Finance, approvers: [role:finance]}}")
    fresh = house.submit("tim", house.project())
    begun = house.submit("tim", house.project())
    house.decide("ola", begun)
    new = policy.parse(
        gate(f"{{name: Lead, approvers: [role:lead]}}\n{OWNER}", "expires_after: 2d")
    )
    with house.db.begin() as session:
        version = policies.adopt(make_context(session, actor=OPERATOR, now=house.now), new)
    assert [one.name for one in house.card(fresh).rounds] == ["Owner", "Finance"]
    moved = {}
    for id_ in (fresh, begun):
        with house.db.begin() as session:
            moved[id_] = policy_simulation.reroute_request(
                make_context(
                    session,
                    actor=OPERATOR,
                    policy=new.policy,
                    policy_id=version,
                    now=house.now,
                    org=ORG,
                ),
                id_,
            )
    assert (moved[fresh].moved, moved[begun].moved) == (True, False)
    assert "people have decided" in moved[begun].why
    assert [one.name for one in house.card(fresh).rounds] == ["Lead", "Owner"]
    assert house.card(fresh).policy_id == version
    house.decide("ned", fresh)
    house.decide("ola", fresh)
    assert house.state(fresh) == "approved"
    house.decide("eve", begun)
    assert house.state(begun) == "approved"


def test_a_request_that_was_moved_expires_by_its_new_time(house: House) -> None:
    house.text = gate(OWNER)
    id_ = house.submit("tim", house.project())
    new = policy.parse(gate(OWNER, "expires_after: 2d"))
    with house.db.begin() as session:
        version = policies.adopt(make_context(session, actor=OPERATOR, now=house.now), new)
        policy_simulation.reroute_request(
            make_context(
                session,
                actor=OPERATOR,
                policy=new.policy,
                policy_id=version,
                now=house.now,
                org=ORG,
            ),
            id_,
        )
    house.until(START + timedelta(days=2, minutes=1))
    assert house.state(id_) == "expired"


def test_why_each_person_could_or_could_not_decide(house: House) -> None:
    house.group("risk", "ned")
    house.text = gate(
        '{name: Release, all_of: [{approvers: ["@finance"]}, {name: Risk, approvers: ["@risk"]}]}\n'
        "{name: Owner, approvers: [subject.owner, U0TIM]}",
        "separate: [requester, contributors]\nmember_since: 1d",
    )
    house.now = START + timedelta(days=2)
    id_ = house.submit("tim", house.project(), contributors=("fred",))
    house.joins("risk", "eve")
    house.decide("fay", id_)
    with house.db.read() as session:
        found = policy_simulation.explain_request(
            make_context(session, policy=house.policy, now=house.now, org=ORG), id_
        )
    release, owner = ({one.name: one for one in people} for _, people in found.stages)
    assert release["Ned"].can
    assert "approved here" in release["Fay"].why
    assert "contributor" in release["Fred"].why
    assert "too new in Risk partners" in release["Eve"].why
    assert owner["Ola"].can
    assert "later" in owner["Ola"].why
    assert "nobody decides their own request" in owner["Tim"].why


def test_the_command_line_says_which_group_a_handle_means_now(
    sqlite_template: Path, tmp_path: Path
) -> None:
    place = tmp_path / "mlgov.db"
    shutil.copy(sqlite_template, place)
    database = Database(f"sqlite:///{place}")
    rules = tmp_path / "governance.yml"
    rules.write_text(POLICY, encoding="utf-8")
    environment = {"MLGOV_DATABASE_URL": str(database.url), "MLGOV_POLICY": str(rules)}

    def hear(slack_id: str, handle: str) -> None:
        seen = GroupSeen(slack_id, handle, handle.title(), members=())
        with database.begin() as session:
            people.upsert_groups(make_context(session, org=ORG, now=START), [seen], read_at=None)

    try:
        with database.begin() as session:
            runtime.set_facts(session, {"org_key": ORG, "team_id": ORG})
            readings.record(session, dict.fromkeys(readings.KINDS, 1), START)
        hear("S0FIN", "finance")
        assert typed(environment, tmp_path, "policy", "groups").out == (
            "No policy is in force yet: `mlgov policy apply` puts one in force.\n"
        )
        assert "@finance" not in typed(environment, tmp_path, "policy", "apply").out
        hear("S0FIN", "money")
        hear("S0NEW", "finance")
        ended = typed(environment, tmp_path, "policy", "groups")
        assert ended.code == 0
        assert ended.out.startswith("@finance names nobody: another user group")
        ended = typed(environment, tmp_path, "policy", "apply")
        assert (
            "- @finance means Finance (S0NEW) from now on; until now it meant Money (S0FIN)."
            in ended.out
        )
        ended = typed(environment, tmp_path, "policy", "groups")
        assert ended.out == "@finance: Finance (S0NEW)\n"
    finally:
        database.close()


@pytest.mark.parametrize(
    "when",
    [
        'project.key.matches("^ml-")',
        'increase.currency.matches("^(USD|EUR)$")',
        "increase.percent > 1e3",
        "increase.percent > .5",
        "size(project.key) > 30",
        "increase.new - increase.amount > 1000.0",
        "increase.percent > 5.0 && increase.percent < 5.5",
        "increase.percent == 5.25 && increase.percent > 5.0 && increase.percent < 5.5",
        'project.key > "m" && project.key < "n"',
        "increase.new > increase.amount",
        'project.key.startsWith("ml-") && !project.key.endsWith("-x")',
        'project.key in ["a", "b"] && increase.currency != "USD"',
        "(increase.percent > 20.0 ? increase.new : increase.amount) > 90.0",
        'project.key == "its" || project.business_unit == "R&D (new)"',
        "5.0 < increase.percent",
    ],
)
def test_a_condition_that_can_be_met_is_no_fault(when: str) -> None:
    stage = f"{{name: Fin, approvers: [role:finance], when: {when!r}}}"
    assert review(policy.parse(gate(f"{OWNER}\n{stage}")).policy) == []


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("increase.percent > 5.0 && increase.percent < 5.0", "contradicts itself"),
        ('project.key == "a" && project.key == "b"', "contradicts itself"),
        ('project.key in ["a"] && project.key != "a"', "contradicts itself"),
        ("increase.percent > 1e3 && increase.percent < .5", "contradicts itself"),
        ('project.key.matches("[")', '"[" is no regular expression'),
        ('duration("5 days") > duration("1h")', '"5 days" is no duration'),
        ('timestamp("today") > timestamp("2026-01-01T00:00:00Z")', "is no time"),
    ],
)
def test_what_is_claimed_of_a_condition_is_so(when: str, words: str) -> None:
    stage = f"{{name: Fin, approvers: [role:finance], when: {when!r}}}"
    [(place, told)] = review(policy.parse(gate(f"{OWNER}\n{stage}")).policy)
    assert words in told
    assert place[-1] == "when"


def test_a_gate_too_wide_to_try_is_not_judged() -> None:
    many = " || ".join(
        f'(increase.percent > {n}.0 && increase.new > {n}.0 && project.key == "k{n}" && project.status == "s{n}")'
        for n in range(20, 32)
    )
    whole = many[: many[:950].rfind(" || ")]
    stage = f"{{name: Fin, approvers: [role:finance], when: {whole!r}}}"
    assert review(policy.parse(gate(f"{OWNER}\n{stage}")).policy) == []
