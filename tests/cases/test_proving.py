"""Milestones that complete themselves once the record proves that they are met, and those that don't."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from storage.audit.tables import AuditEntry
from storage.db import Database
from storage.enums import MilestoneType
from tests.cases.arriving import Works
from tests.cases.conftest import OLA
from workflows import jobs
from workflows.cases import proving
from workflows.cases.proving import Candidate, Happened, choose_milestones
from workflows.milestones import reads, service

T = MilestoneType
AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def works(database: Database) -> Works:
    return Works(database)


# --- Which milestone is meant


def candidate(id_: int, title: str = "", *, type_: T = T.APPROVAL, days: int = -30) -> Candidate:
    return Candidate(id_, 1, type_, title, id_, AT + timedelta(days=days))


def happened(*types: T, names: tuple[str, ...] = ("fraud",), is_only: bool = True) -> Happened:
    return Happened(1, AT, frozenset(types or (T.APPROVAL,)), names, is_only)


def test_the_first_that_is_due_is_meant_where_nothing_else_can_be() -> None:
    assert choose_milestones(happened(), [candidate(2), candidate(1)]) == [1]
    assert choose_milestones(happened(is_only=False), [candidate(1)]) == [1]
    assert choose_milestones(happened(is_only=False), [candidate(2), candidate(1)]) == []


def test_a_title_says_which_is_meant() -> None:
    several = [candidate(1, "Approval of Lane"), candidate(2, "Approval of FRAUD")]
    assert choose_milestones(happened(is_only=False), several) == [2]
    assert choose_milestones(happened(), several) == [2]
    twice = [*several, candidate(3, "Fraud again")]
    assert choose_milestones(happened(is_only=False), twice) == []
    assert choose_milestones(happened(), twice) == [2]


def test_what_was_written_down_later_is_about_the_next_time() -> None:
    assert choose_milestones(happened(), [candidate(1, days=1)]) == []
    assert choose_milestones(happened(), [candidate(1, days=0)]) == [1]


def test_one_of_each_type() -> None:
    both = [
        candidate(1, type_=T.BUSINESS_CASE_SIGNED),
        candidate(2, type_=T.INTAKE_APPROVED),
        candidate(3, type_=T.INTAKE_APPROVED),
        candidate(4, type_=T.OTHER),
    ]
    assert choose_milestones(happened(T.BUSINESS_CASE_SIGNED, T.INTAKE_APPROVED), both) == [1, 2]


@given(
    st.lists(
        st.builds(
            Candidate,
            st.integers(1, 99),
            st.integers(1, 2),
            st.sampled_from([T.APPROVAL, T.DEPLOYED]),
            st.sampled_from(["", "Fraud", "Lane"]),
            st.integers(0, 3),
            st.integers(-2, 2).map(lambda days: AT + timedelta(days=days)),
        ),
        unique_by=lambda each: each.id,
    ),
    st.booleans(),
)
def test_never_another_project_type_or_time(candidates: list[Candidate], is_only: bool) -> None:
    by_id = {each.id: each for each in candidates}
    chosen = choose_milestones(happened(is_only=is_only), candidates)
    assert len(chosen) <= 1
    for each in map(by_id.__getitem__, chosen):
        assert (each.project_id, each.type) == (1, T.APPROVAL)
        assert each.since <= AT
        fitting = [
            other
            for other in candidates
            if (other.project_id, other.type) == (1, T.APPROVAL) and other.since <= AT
        ]
        assert is_only or len(fitting) == 1 or "Fraud" in each.title


# --- By the record


def test_milestones_complete_themselves_on_the_way(works: Works) -> None:
    case_id = works.board.complete()
    request = works.board.ask(case_id)
    key = works.board.project_of(case_id).key
    types = (
        T.BUSINESS_CASE_SIGNED,
        T.DATA_READY,
        T.PROTOTYPE,
        T.VALIDATION_START,
        T.VALIDATION_DONE,
        T.APPROVAL,
        T.DEPLOYED,
        T.RETIRED,
        T.OTHER,
    )
    ids = {type_: works.promise(key, type_, title=f"Step: {type_.value}") for type_ in types}
    days = {T.BUSINESS_CASE_SIGNED: works.later(days=2)}
    works.board.decide("spo", request)
    assert works.prove() == 1
    model = works.yard.model("router", project=key)
    days[T.PROTOTYPE] = days[T.VALIDATION_START] = works.later(days=10)
    version = works.yard.in_validation(model)
    # The watcher may come late: what counts is the day on which it was done.
    works.later(days=1)
    assert works.prove() == 2
    works.yard.complete(version, "approval")
    works.yard.accept_all("val", version)
    days[T.VALIDATION_DONE] = days[T.APPROVAL] = works.later(days=10)
    works.yard.decide("risk", works.yard.ask("val", version))
    assert works.prove() == 2
    works.yard.complete(version, "implementation")
    works.yard.step("ops", version, "implement")
    works.yard.step("ops", version, "deploy", "It runs.")
    assert works.prove() == 0, "it needs two people"
    days[T.DEPLOYED] = works.later(days=4)
    works.yard.step("ola", version, "deploy", "It answers.")
    assert works.prove() == 1

    done = {type_: works.milestone(id_).actual for type_, id_ in ids.items()}
    assert {type_: day for type_, day in done.items() if day is not None} == days
    record = works.see(OLA, reads.load_record, ids[T.APPROVAL])
    assert (record.proof, record.done_by) == ("Router 1 was approved for use", None)
    with works.db.read() as session:
        actors = session.execute(
            select(AuditEntry.actor_id).where(AuditEntry.action == "milestone.done")
        ).scalars()
        assert set(actors) == {"system"}
    works.board.ledger_holds()


def test_dropped_and_done_ones_stay_as_they_are(works: Works) -> None:
    case_id = works.board.complete()
    request = works.board.ask(case_id)
    key = works.board.project_of(case_id).key
    dropped = works.promise(key, T.BUSINESS_CASE_SIGNED)
    works.act(OLA, service.drop, dropped, revision=1, reason="Twice.")
    done = works.promise(key, T.INTAKE_APPROVED)
    works.later(days=1)
    works.complete(done, on=works.now.date() - timedelta(days=1))
    works.later(days=5)
    works.board.decide("spo", request)
    assert works.prove() == 0
    assert works.milestone(dropped).actual is None
    assert works.milestone(done).actual == works.now.date() - timedelta(days=6)
    assert works.milestone(done).proven is None
    works.board.ledger_holds()


def test_each_thing_done_completes_one(works: Works) -> None:
    _, key = works.approved_case()
    first = works.promise(key, T.PROTOTYPE, title="First draft", days=10)
    second = works.promise(key, T.PROTOTYPE, title="Second draft", days=20)
    model = works.yard.model("router", project=key)
    works.yard.version(model)
    assert works.prove() == 1
    assert works.milestone(first).actual is not None
    assert works.milestone(second).actual is None
    works.later(days=3)
    works.yard.version(model, "2")
    assert works.prove() == 1
    assert works.milestone(second).actual == works.now.date()


def test_of_two_models_the_one_that_is_named(works: Works) -> None:
    _, key = works.approved_case()
    lane = works.promise(key, T.PROTOTYPE, title="Draft of Lane", days=10)
    router = works.promise(key, T.PROTOTYPE, title="Draft of the router", days=20)
    works.yard.model("lane", project=key)
    works.yard.version(works.yard.model("router", project=key))
    assert works.prove() == 1
    assert works.milestone(lane).actual is None
    assert works.milestone(router).actual is not None


def test_what_was_done_before_it_was_promised_proves_nothing(works: Works) -> None:
    _, key = works.approved_case()
    works.yard.version(works.yard.model("router", project=key))
    works.later(minutes=1)
    late = works.promise(key, T.PROTOTYPE)
    assert works.prove() == 0
    assert works.milestone(late).actual is None


def test_it_goes_on_where_it_stopped_and_begins_at_the_end(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = works.approved_case()
    ids = [works.promise(key, T.PROTOTYPE, title=f"Draft {n}", days=n) for n in (5, 6, 7)]
    model = works.yard.model("router", project=key)
    for name in ("1", "2", "3"):
        works.yard.version(model, name)
    monkeypatch.setattr(proving, "MOST", 2)
    assert works.prove() == 3
    assert all(works.milestone(id_).actual for id_ in ids)
    assert "milestones.prove" in jobs.REGISTRY.watchers
