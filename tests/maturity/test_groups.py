"""What check-ins tell of people over time: the attacks that were found, and random histories against linear algebra."""

import json
import random
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.anonymity.tables import Disclosure
from storage.audit.tables import AuditEntry
from storage.enums import Answer, SeenBy
from storage.maturity.tables import MaturityInvitation
from storage.people.tables import Person
from tests.anonymity.oracle import Group, few_told
from tests.contexts import make_context
from tests.maturity.conftest import ORG, House
from workflows.context import OPERATOR
from workflows.errors import InvalidInput, NotAllowed, NotFound
from workflows.maturity import rules, service
from workflows.maturity.forms import SetTargets
from workflows.people import service as people
from workflows.webhooks import service as webhooks

DATA = rules.load().rubric.dimensions[1]


def erase(house: House, name: str) -> None:
    with house.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=house.now), f"p_{name}")


def leave(house: House, name: str) -> None:
    with house.db.begin() as session:
        session.get_one(Person, f"p_{name}").is_deactivated = True


def all_say(house: House, names: Iterable[str], answer: str, parts: int = 6) -> None:
    for name in names:
        house.say(name, answer, parts=parts)


# --- the attacks that were found


def test_the_final_result_after_two_early_ones(house: House) -> None:
    """Final - (second - first) would be the sum of the four of the first five who changed their answers."""
    house.crowd(2, 10)
    cycle = house.start()
    all_say(house, [f"d{n}" for n in range(5)], "yes")
    house.early(cycle)
    all_say(house, [f"d{n}" for n in range(5, 10)], "yes")
    second = house.early(cycle)
    leave(house, "d0")
    all_say(house, [f"d{n}" for n in range(1, 5)], "no")
    found = house.close(cycle)
    assert found.held_back
    assert found.dimensions == second.dimensions


def test_an_erased_person_stays_in_what_was_told_early(house: House) -> None:
    """Ten told, one of them erased, and nine told because another dimension has grown."""
    house.crowd(5, 10)
    cycle = house.start()
    all_say(house, [f"d{n}" for n in range(10)], "yes", parts=1)
    first = house.early(cycle)
    assert [one.people for one in first.dimensions] == [10, 0, 0, 0, 0, 0]
    erase(house, "d0")
    all_say(house, [f"d{n}" for n in range(1, 6)], "no", parts=2)
    second = house.early(cycle)
    assert second.dimensions[1].people == 5
    assert second.dimensions[0] == first.dimensions[0]
    all_say(house, [f"b{n}" for n in range(5)], "no", parts=1)
    with house.db.begin() as session:
        held = session.execute(select(Disclosure.part, Disclosure.seq)).all()
    assert ("organisation", 2) not in held


def test_all_of_one_mind_and_all_but_one_are_told_the_same(house: House) -> None:
    """No statement that is seen differently, beside what does not hold, would say what each of five said."""
    house.crowd(2, 5)
    for n in range(5):
        house.person(f"s{n}", "Data Scientist", "Supply")
    told = []
    for unit, letter, last in (("Care", "d", "no"), ("Supply", "s", "partly")):
        cycle = house.start(unit)
        all_say(house, [f"{letter}{n}" for n in range(4)], "no")
        house.say(f"{letter}4", last)
        data = house.close(cycle).dimensions[1]
        told.append((data.level, data.agreement, data.differs, data.missing))
    assert told[0] == told[1]
    assert told[0][1:3] == (80, None)


def test_counts_of_answers_go_in_steps(house: House) -> None:
    """No count of fewer than five who answered, nor of fewer than five who did not, and none that goes back."""
    house.crowd(2, 14)
    cycle = house.start()

    def told() -> tuple[int, int]:
        with house.db.begin() as session:
            (found,) = service.list_open_cycles(
                make_context(session, policy=house.policy, now=house.now)
            )
        return found.invited, found.finished

    seen = []
    for n in range(14):
        house.say(f"d{n}", "yes")
        seen.append(told())
    assert seen == [(16, 0)] * 4 + [(16, 5)] * 5 + [(16, 10)] * 5
    for n in range(5):
        erase(house, f"d{n}")
    assert told() == (16, 10)
    assert house.close(cycle).answered == 10


def test_results_of_two_check_ins_do_not_tell_of_the_few_who_differ(house: House) -> None:
    house.crowd(2, 6)
    names = [f"d{n}" for n in range(6)]
    cycle = house.start()
    all_say(house, names, "yes")
    first = house.close(cycle)
    house.now += timedelta(days=90)
    again = house.start()
    all_say(house, names, "yes")
    house.say("d5", "no")
    second = house.close(again)
    assert second.as_before
    assert [one.level for one in second.dimensions] == [one.level for one in first.dimensions]
    assert [one.agreement for one in second.dimensions] == [
        one.agreement for one in first.dimensions
    ]
    house.now += timedelta(days=90)
    third = house.start()
    all_say(house, names, "no")
    assert not house.close(third).as_before


def test_a_unit_in_which_one_person_differs_from_last_time_is_not_told(house: House) -> None:
    """The whole may be told, since most have changed; but all of the others of one unit are as they were."""
    house.crowd(2, 6)
    for n in range(6):
        house.person(f"s{n}", "Data Scientist", "Supply")
    care, supply = [f"d{n}" for n in range(6)], [f"s{n}" for n in range(6)]
    cycle = house.start()
    all_say(house, [*care, *supply], "yes")
    first = house.close(cycle)
    assert set(first.dimensions[1].units) == {"Care", "Supply"}
    house.now += timedelta(days=90)
    again = house.start()
    all_say(house, supply, "no")
    all_say(house, care[:5], "yes")
    house.say("d5", "no")
    second = house.close(again)
    assert not second.as_before
    assert second.dimensions[1].people == 12
    # Nor the other one: the whole less Supply, then and now, would tell of the one in Care.
    assert second.dimensions[1].units == {}


def test_single_answers_are_not_shown_before_and_after_an_erasure(house: House) -> None:
    """Whose block is gone would be whose answers they were."""
    house.crowd(2, 7)
    house.rules(answers_seen_by=SeenBy.ASSESSOR)
    cycle = house.start()
    all_say(house, [f"d{n}" for n in range(6)], "yes")
    house.say("d6", "no", parts=2)
    house.close(cycle)

    def single() -> int:
        with house.db.read() as session:
            return len(
                service.list_single_answers(
                    make_context(session, actor=house.actor("b1"), policy=house.policy, org=ORG),
                    cycle,
                )
            )

    assert single() == 6, "who answered a part is named by what they left out"
    house.now += timedelta(seconds=1)
    erase(house, "d0")
    with pytest.raises(NotAllowed, match="would tell whose they were"):
        single()


def test_single_answers_do_not_complete_an_early_result(house: House) -> None:
    """An early result with somebody who was erased since, less the others' single answers, would be theirs."""
    house.crowd(2, 7)
    house.rules(answers_seen_by=SeenBy.ASSESSOR)
    cycle = house.start()
    all_say(house, [f"d{n}" for n in range(5)], "yes")
    house.early(cycle)
    house.now += timedelta(seconds=1)
    erase(house, "d0")
    all_say(house, ["d5", "d6", "b0", "b1"], "no")
    house.close(cycle)
    with house.db.read() as session, pytest.raises(NotAllowed, match="were erased"):
        service.list_single_answers(
            make_context(session, actor=house.actor("b1"), policy=house.policy, org=ORG), cycle
        )


def test_the_ledger_and_webhooks_do_not_say_what_somebody_answered(house: House) -> None:
    """Neither which statements, nor in how many taps."""
    house.crowd(2, 6)
    with house.db.begin() as session:
        webhooks.add(
            make_context(session, actor=OPERATOR, now=house.now),
            "https://hooks.test/x",
            ["maturity.*"],
        )
    cycle = house.start()
    for n in range(6):
        house.say(f"d{n}", {"data.owner": "yes", "data.rules": "no"})
        house.say(f"d{n}", "yes", parts=1 + n)
    house.close(cycle)
    with house.db.read() as session:
        entries = session.execute(
            select(AuditEntry.action, AuditEntry.body).where(
                AuditEntry.action.startswith("maturity")
            )
        ).all()
    actions = [action for action, _ in entries]
    assert actions.count("maturity.answered") == 6
    bodies = " ".join(body for _, body in entries)
    for one in rules.load().rubric.statements:
        assert one.id not in bodies
    (closed,) = [body for action, body in entries if action == "maturity.closed"]
    facts = json.loads(closed)["facts"]
    assert (facts["invited"], facts["answered"]) == (8, 0)
    assert len(facts["answers"]) == 64
    with house.db.begin() as session:
        queued = webhooks.announce(session, now=house.now)
    assert queued == sum(one in ("maturity.opened", "maturity.closed") for one in actions)


def test_targets_and_details_are_for_those_who_may_see_the_result(house: House) -> None:
    """A unit's targets and what is missing are part of its result."""
    house.crowd(2, 6)
    house.person("x", "Data Scientist", "Supply")
    cycle = house.start("Care")
    all_say(house, [f"d{n}" for n in range(6)], "no")
    house.close(cycle)
    with house.db.begin() as session:
        service.set_targets(
            make_context(
                session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
            ),
            SetTargets(business_unit="Care", levels={"data": "medium"}),
        )

    def gaps(name: str) -> int:
        actor = house.actor(name)
        with house.db.read() as session:
            service.load_result(
                make_context(session, actor=actor, policy=house.policy, org=ORG), cycle
            )
            unit = service.resolve_unit(
                make_context(session, actor=actor, policy=house.policy, org=ORG), "Care"
            )
            told = service.load_targets(
                make_context(session, policy=house.policy, now=house.now), unit
            )
            return len(told.gaps)

    assert [gaps(name) for name in ("b0", "b1", "d0")] == [1, 1, 1]
    with house.db.read() as session:
        with pytest.raises(NotFound, match="no such result"):
            service.load_result(
                make_context(session, actor=house.actor("x"), policy=house.policy, org=ORG), cycle
            )
        with pytest.raises(NotFound, match="no such targets"):
            service.resolve_unit(
                make_context(session, actor=house.actor("x"), policy=house.policy, org=ORG), "Care"
            )


# --- random histories


def history(house: House, seed: int, steps: int, cycles: int) -> int:
    """Let anything happen to a check-in and the ones after it; how many figures were told of data, each looked into."""
    chance = random.Random(seed)
    house.crowd(2, 12)
    names = [*(f"d{n}" for n in range(12)), "b1"]
    finals: list[Group] = []
    figures = 0
    for _ in range(cycles):
        cycle = house.start()
        says: dict[str, str] = {}
        counted: dict[str, str] = {}
        told: list[Group] = []
        with house.db.read() as session:
            name_of = {
                id_: person.removeprefix("p_")
                for id_, person in session.execute(
                    select(MaturityInvitation.id, MaturityInvitation.person_id).where(
                        MaturityInvitation.cycle_id == cycle
                    )
                )
            }
        asked = [name for name in names if name in name_of.values()]
        for step in range(steps):
            if step + 1 == steps:
                house.close(cycle)
            elif not asked or chance.random() < 0.15:
                with_early(house, cycle)
            elif chance.random() < 0.08:
                gone = chance.choice(asked)
                asked.remove(gone)
                names.remove(gone)
                says.pop(gone, None)
                (erase if chance.random() < 0.5 else leave)(house, gone)
            else:
                who = chance.choice(asked)
                answer = chance.choice(["yes", "yes", "no"])
                house.say(who, answer, parts=2)
                says[who] = answer
            with house.db.read() as session:
                rows = session.scalars(
                    select(Disclosure)
                    .where(Disclosure.scope == f"maturity_cycle:{cycle}", Disclosure.part == "data")
                    .order_by(Disclosure.seq)
                ).all()
                new = rows[len(told) :]
                for row in new:
                    members = [name_of[i] for i in row.members]
                    if row.audience == "leaders":
                        counted |= {name: says[name] for name in members}
                        group = dict(counted)
                    else:
                        group = {name: says[name] for name in members}
                        assert group == says
                    same_figures(row.figures, group)
                    told.append({pair: [pair[0]] for pair in group.items()})
                    figures += 1
            if new:
                assert few_told(told, 5) is None, (seed, told)
                for final in finals:
                    assert few_told([final, *told], 5) is None, (seed, final, told)
        if told:
            finals.append(told[-1])
        house.now += timedelta(days=90)
        if len(names) < 6:
            break
    return figures


def with_early(house: House, cycle: int) -> None:
    with suppress(InvalidInput):
        house.early(cycle)


def same_figures(kept: dict[str, object], group: dict[str, str]) -> None:
    """What was told is the figure over these people, and no other."""
    score = rules.score(
        DATA, [{one.id: Answer(answer) for one in DATA.statements} for answer in group.values()]
    )
    assert (kept["people"], kept["level"], kept["agreement"]) == (
        len(group),
        score.level.value,
        score.agreement,
    )


@pytest.mark.parametrize("seed", range(3))
def test_no_history_tells_of_a_few(house: House, seed: int) -> None:
    assert history(house, seed, steps=45, cycles=2)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(100, 120))
def test_no_long_history_tells_of_a_few(house: House, seed: int) -> None:
    history(house, seed, steps=60, cycles=4)


def test_dimension_results_are_kept_as_told(house: House) -> None:
    """What the ledger of disclosures keeps is what the result shows."""
    house.crowd(2, 6)
    cycle = house.start()
    all_say(house, [f"d{n}" for n in range(6)], "yes")
    found = house.close(cycle)
    with house.db.read() as session:
        kept = {
            row.part: (row.figures["level"], len(row.members))
            for row in session.scalars(select(Disclosure))
            if ":" not in row.part
        }
    assert set(kept) == {one.key for one in found.dimensions}
    for one in found.dimensions:
        assert kept[one.key] == (one.level, 6)
