"""The front door as people use it: a Home that follows, lists that turn their pages, a first meeting, a rollout."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from sandbox import RateLimits
from storage.delivery.tables import Outbox
from storage.enums import Op
from tests.budgets.conftest import days
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import (
    ADA,
    FAY,
    FRED,
    GUS,
    OLA,
    POLICY,
    SAM,
    TIM,
    Office,
    eventually,
    opened,
)
from tests.stories.test_road import ask, over_budget
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.budgets.forms import IncreaseBudget
from workflows.context import ActorKind
from workflows.people import service as people
from workflows.status.following import SETTLES

JANUARY = date(2026, 1, 1)
Opener = Callable[..., AbstractContextManager[Office]]


@pytest.fixture(params=["sqlite", "postgres"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens an office over signed HTTP, in which Slack's limits hold at the pace of the tests."""
    url = fresh_url(request.param, request, tmp_path)

    def open_(**how: Any) -> AbstractContextManager[Office]:
        return opened(url, tmp_path, limits=RateLimits(scale=0.02), **how)

    return open_


@pytest.fixture
def office(opener: Opener) -> Iterator[Office]:
    with opener() as running:
        yield running
        assert limited(running) == 0


def published(office: Office, user_id: str) -> int:
    """How often this person's Home was published."""
    return sum(
        call.body.get("user_id") == user_id
        for call in office.sandbox.inspector.calls("views.publish")
    )


def limited(office: Office) -> int:
    """Publications that Slack refused for coming too fast."""
    return sum(call.status == 429 for call in office.sandbox.inspector.calls("views.publish"))


def latest_row(office: Office) -> int:
    """The latest row of the outbox."""
    with office.db.read() as session:
        return session.scalar(select(func.max(Outbox.id))) or 0


def put_off(office: Office, user_id: str, after: int) -> timedelta:
    """How long the first publication of this person's Home after a row was told to wait for more to come."""
    with office.db.read() as session:
        row = session.scalars(
            select(Outbox)
            .where(Outbox.id > after, Outbox.op == Op.HOME)
            .where(Outbox.lane_key.endswith(f":{user_id}"))
            .order_by(Outbox.id)
            .limit(1)
        ).one()
        return row.due_at - row.created_at


def home(office: Office, user_id: str) -> str:
    view = office.sandbox.seat(user_id).home()
    return "" if view is None else str(view.as_json())


def open_home(office: Office, user_id: str) -> Any:
    seat = office.sandbox.seat(user_id)
    before = published(office, user_id)
    seat.open_home()
    eventually(
        lambda: published(office, user_id) > before and seat.home() is not None,
        f"the Home of {user_id} is published",
    )
    return seat.home()


@pytest.mark.slow
def test_a_decision_shows_at_once_in_ones_own_home_and_soon_in_the_others(office: Office) -> None:
    over_budget(office)
    ask(office)
    for user_id in (OLA, TIM, FAY, ADA):
        open_home(office, user_id)
    time.sleep(2.2)
    untouched = published(office, ADA)
    assert "Budget owner" in home(office, TIM)
    assert "Nothing waits for you" in home(office, FAY)
    ola = office.sandbox.seat(OLA)
    view = ola.home()
    assert view is not None
    before = latest_row(office)
    assert ola.click(view_id=view.id, action_id="approvals.approve").ok
    eventually(lambda: "Nothing waits for you" in home(office, OLA), "Ola sees it")
    eventually(
        lambda: (
            "1 decision waits for you" in home(office, FAY) and "With Finance" in home(office, TIM)
        ),
        "those whom it concerns see it",
    )
    assert published(office, ADA) == untouched
    own, *others = (put_off(office, one, before) for one in (OLA, TIM, FAY))
    assert own < SETTLES / 2
    assert others == [SETTLES, SETTLES]


@pytest.mark.slow
def test_twenty_changes_at_once_are_one_publication(office: Office) -> None:
    keys = [f"p{number}" for number in range(20)]
    for key in keys:
        office.project(key, f"Plan {key}", channel=None)
    open_home(office, OLA)
    time.sleep(2.5)
    office.settle()
    before = published(office, OLA)
    request_increases(office, TIM, range(1, 21))
    eventually(
        lambda: "20 decisions wait for you" in home(office, OLA),
        "the Home shows all of them",
        seconds=10,
    )
    assert published(office, OLA) - before <= 2
    assert "1–5 of 20, the most urgent first" in home(office, OLA)


def request_increases(office: Office, slack_id: str, budgets: range) -> None:
    """Somebody asks for more for each of these budgets."""
    deps = office.bot.deps
    with deps.db.read() as session:
        found = people.actor_by_slack_id(session, deps.team.org_key, slack_id)
    assert found is not None
    assert found[0].kind is ActorKind.PERSON
    for budget_id in budgets:
        form = IncreaseBudget.model_validate(
            {"budget_id": budget_id, "revision": 1, "amount": "1500", "scope": "period"}
        )
        with deps.db.begin() as session:
            submission.submit_request(
                make_context(
                    session,
                    actor=found[0],
                    policy=deps.policy,
                    policy_id=deps.holder.version_id,
                    now=deps.now(session),
                    org=deps.team.org_key,
                ),
                SubmitRequest(
                    gate="budget_increase",
                    subject_type="budget",
                    form=form,
                    reason="More",
                    request_key=f"k{budget_id}",
                ),
            )


def test_pages_of_a_home_and_of_a_list_are_turned(office: Office) -> None:
    for number in range(8):
        office.project(f"p{number}", f"Plan {number}", channel=None)
    view = open_home(office, OLA)
    ola = office.sandbox.seat(OLA)
    assert "1–6 of 8" in str(view.as_json())
    assert ola.click(view_id=view.id, action_id="front.page_on").ok
    eventually(lambda: "7–8 of 8" in home(office, OLA), "the page turns")
    view = ola.home()
    assert view is not None
    assert ola.click(view_id=view.id, action_id="front.project", block_id="project:8").ok
    assert ola.modals()[-1].as_json()["title"]["text"] == "Plan 7"
    assert "900 of" not in home(office, OLA)
    assert "1–6 of 8" in str(open_home(office, OLA).as_json())

    ola.slash("/mlgov", "status", "C0TRIAGE")
    first = ola.ephemerals()[-1]
    assert "1–6 of 8" in str(first.blocks)
    assert ola.click(ephemeral_id=first.id, action_id="front.list_on").ok
    eventually(
        lambda: "7–8 of 8" in str(ola.ephemerals()[-1].blocks),
        "the next page takes the place of the first",
    )
    assert len(ola.ephemerals()) == 1


def test_it_introduces_itself_once_after_the_first_answer(opener: Opener) -> None:
    with opener(has_met=False) as office:
        over_budget(office)
        ola, tim, fred = (office.sandbox.seat(one) for one in (OLA, TIM, FRED))
        answer = tim.slash("/mlgov", "status triage", "C0TRIAGE").body
        shown = answer["blocks"]
        assert "Ticket triage" in str(shown[0])
        assert "You answer for *Ticket triage*" in str(shown[-1])
        assert shown[-1]["elements"][0]["text"].count("\n") == 2
        again = tim.slash("/mlgov", "status triage", "C0TRIAGE").body
        assert "You answer for" not in str(again)
        ask(office)
        told = [message.text for message in ola.messages(ola.dm().id)]
        assert "asks to raise January's budget" in told[0]
        assert told[1].startswith("What mlgov does for you: You decide")
        assert len(told) == 2
        assert "What mlgov does" not in str(tim.messages(tim.dm().id))
        assert "The Home tab shows all" not in str(open_home(office, OLA).as_json())
        assert "The Home tab shows all" in str(open_home(office, FRED).as_json())
        assert "The Home tab shows all" not in str(fred.slash("/mlgov", "", "C0GOV").body)
        office.settle()
        assert limited(office) == 0


def test_outsiders_get_a_sentence(office: Office) -> None:
    gus, sam = office.sandbox.seat(GUS), office.sandbox.seat(SAM)
    assert "guests can't use mlgov" in str(open_home(office, GUS).as_json())
    for seat in (gus, sam):
        for words in ("", "status", "status all", "help", "rollout"):
            said = str(seat.slash("/mlgov", words, "C0SHARED").body)
            assert "can't use mlgov" in said or "can't act for you" in said, said


def test_words_are_grouped_and_a_leader_sees_everything(opener: Opener) -> None:
    led = POLICY.replace("roles:\n", "roles:\n  leader: [U0FAY]\n")
    with opener(policy=led) as office:
        over_budget(office)

        def said(user_id: str, words: str) -> str:
            return str(office.sandbox.seat(user_id).slash("/mlgov", words, "C0GOV").body)

        assert "1 project, within budget" in said(FAY, "status all")
        assert "Data through Tue 20 Jan · as of" in said(FAY, "status all")
        assert "data through Tue 20 Jan" in said(FAY, "status ticket triage")
        assert "You can see no project yet" in said(FRED, "status all")
        assert "You can see no project “triage”" in said(FRED, "status triage")
        assert "You can see no project “triage”" in said(FRED, "budget triage")
        assert "All projects" in said(FAY, "")
        assert "All projects" not in said(FRED, "")
        assert "*Look*" in said(FRED, "help")
        assert "/mlgov rollout" in said(ADA, "help")
        assert "/mlgov rollout" not in said(FRED, "help")


def test_a_narrow_rollout_holds_back_and_lists_what_it_did(opener: Opener) -> None:
    narrow = POLICY.replace("roles:\n", "rollout: me\nroles:\n")
    with opener(policy=narrow) as office:
        office.project("triage", "Ticket triage", channel=None)
        office.costs(days(JANUARY, 20, "45"))
        ola = office.sandbox.seat(OLA)
        assert ola.messages(ola.dm().id) == []

        def said(user_id: str) -> str:
            return str(office.sandbox.seat(user_id).slash("/mlgov", "rollout", "C0GOV").body)

        assert "1 message to 1 person was held back" in said(ADA)
        assert "1 budget alert to 1 person" in said(ADA)
        assert "Ola · budget alert" in said(ADA)
        assert "administrators and for leaders" in said(TIM)
