"""Two people at the same instant, one person many times, and clicks against the timer, with real threads."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest

from storage import runtime
from storage.db import Database, DatabaseBusy
from tests.approvals.conftest import ORG, START, House
from workflows import clock, jobs
from workflows.errors import GovernanceError
from workflows.job_runner import Runner

ROUNDS = 4


def at_once(works: Sequence[Callable[[], object]]) -> list[str]:
    """Run all at the same instant; how each ended: `ok`, or the class of its refusal."""
    start = threading.Barrier(len(works))
    found: list[str] = [""] * len(works)

    def run(index: int, work: Callable[[], object]) -> None:
        start.wait(timeout=10)
        try:
            work()
            found[index] = "ok"
        except (GovernanceError, DatabaseBusy) as error:
            found[index] = type(error).__name__
        except Exception as error:
            found[index] = f"broke: {error!r}"

    threads = [
        threading.Thread(target=run, args=(index, work), daemon=True)
        for index, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive(), "a deadlock"
    assert not [item for item in found if item.startswith("broke")], found
    return found


def test_two_people_decide_at_the_same_instant(house: House) -> None:
    for _ in range(ROUNDS):
        project = house.project()
        one = house.submit("tim", project)
        house.decide("ola", one)
        house.deliver()
        shown = house.card(one).revision
        ended = at_once(
            [partial(house.decide, name, one, revision=shown) for name in ("fay", "fred", "eve")]
        )
        assert Counter(ended)["ok"] == 2, ended
        assert house.state(one) == "approved"
        assert len(house.deciders(one)) == 3
        assert house.status(project) == "live"
        assert house.told("approval.ended").count("U0TIM") >= 1
    assert len(house.told("approval.ended")) == ROUNDS
    house.ledger_holds()


def test_one_person_clicks_many_times(house: House) -> None:
    one = house.submit("tim", house.project())
    ended = at_once([partial(house.decide, "ola", one, revision=1)] * 6)
    assert Counter(ended) == {"ok": 1, "AlreadyDecided": 5}
    assert house.deciders(one) == [("ola", 0, "approve")]
    house.ledger_holds()


def test_approve_reject_and_withdraw_at_once_end_it_once(house: House) -> None:
    for _ in range(ROUNDS):
        one = house.submit("tim", house.project())
        house.decide("ola", one)
        shown = house.card(one).revision
        at_once(
            [
                partial(house.decide, "fay", one, revision=shown),
                partial(house.decide, "fred", one, "reject", revision=shown),
                partial(house.withdraw, "tim", one),
            ]
        )
        assert house.state(one) in {"rejected", "withdrawn"}
        finals = [
            action
            for action in house.entries(one)
            if action not in {"approval.opened", "approval.decided"}
        ]
        assert finals == [f"approval.{house.state(one)}"]
    house.ledger_holds()


@pytest.mark.parametrize("clickers", [1, 3])
def test_clicks_against_the_expiring_timer(house: House, database: Database, clickers: int) -> None:
    """The clicks read a clock just before the end, the tickers one just after it: whoever is first is right."""
    with database.begin() as session:
        ahead = START + timedelta(days=7, seconds=1) - clock.real_now(session)
        runtime.set_made_by(session, "demo")
        runtime.set_offset(session, ahead)
    runners = [
        Runner(database, jobs.REGISTRY, policy=lambda: (house.policy, 1), org_key=ORG)
        for _ in range(2)
    ]
    for _ in range(ROUNDS):
        house.now = START
        project = house.project()
        one = house.submit("tim", project)
        house.decide("ola", one)
        house.deliver()
        house.now = START + timedelta(days=7) - timedelta(milliseconds=1)
        names = ("fay", "fred", "eve")[:clickers]
        at_once(
            [
                *(partial(house.decide, name, one, revision=2) for name in names),
                *(runner.run for runner in runners),
            ]
        )
        for runner in runners:
            runner.run()
        state = house.state(one)
        assert state in {"approved", "expired"}
        assert state == "expired" or clickers > 1
        assert (house.status(project) == "live") == (state == "approved")
    assert len(house.told("approval.ended")) == ROUNDS
    house.ledger_holds()


def test_the_same_asking_through_two_processes_asks_once(house: House) -> None:
    project = house.project()
    for number in range(ROUNDS):
        ended = at_once([partial(house.submit, "tim", project, key=f"view:{number}")] * 3)
        assert ended == ["ok"] * 3
    assert len(house.told("approval.receipt")) == ROUNDS


def test_requests_that_share_people_and_channel_do_not_deadlock(house: House) -> None:
    ones = [house.submit("tim", house.project()) for _ in range(6)]
    house.deliver()
    assert at_once([partial(house.decide, "ola", one, revision=1) for one in ones]) == ["ok"] * len(
        ones
    )
    house.ledger_holds()
