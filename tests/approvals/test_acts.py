"""Every act that the router, the menu and the API offer, on what was shown before, on nothing, and on what is shown."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.approvals import slack, words
from bot.budgets import messages as budget_words
from storage.approvals import tables as actions
from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.projects.tables import Project
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, FRED, OLA, POLICY, TIM, Office, opened
from tests.stories.test_road import over_budget
from workflows.approvals import reads, submission
from workflows.approvals.forms import SubmitRequest
from workflows.budgets import imports
from workflows.budgets import service as budgets
from workflows.budgets.forms import BudgetRow, IncreaseBudget
from workflows.context import OPERATOR
from workflows.people.service import actor_by_slack_id

pytestmark = pytest.mark.slow

GLASS = POLICY.replace(
    "    expires_after: 7d",
    "    break_glass: {by: [role:admin], review_within: 2d}\n    expires_after: 7d",
)
READS = {
    words.DETAILS: "shows a request",
    words.SEVERAL: "opens a window of many, each with its revision",
    words.APPROVE_WITH: "opens a window",
    words.REJECT: "opens a window",
    words.GLASS: "opens a window",
    words.WRONG: "opens a window",
    words.CLAIM: "opens a window",
    words.UNCONFIRMED: "opens a window",
    words.ANSWER: "opens a window",
    "more:conditions": "opens a window",
    "more:ask": "opens a window",
    "more:hand_over": "opens a window",
    "budget.change": "opens a window",
    "milestone.change": "opens a window",
    "approvals.away": "is about no request",
    "approvals.back": "is about no request",
    "approvals.away_planned": "is about no request",
    "milestones.submit_change": "goes the same way as the budget's window",
}
"""What changes no request, and why."""


def offered(office: Office) -> set[str]:
    """Every button, entry of a menu and window about requests that there is."""
    router = office.bot.edge.router
    named = {*router.actions, *router.submissions} - {words.MORE}
    found = {
        one
        for one in named
        if one.startswith("approvals.") or one.endswith((".change", ".submit_change"))
    }
    return found | {f"more:{verb}" for verb in slack.VERBS} | {f"{budget_words.SUBMIT_CHANGE}"}


@dataclass
class Seat:
    """One person's signed payloads, made by hand: what a client, old or forged, can send."""

    office: Office
    user_id: str

    def send(self, name: str, value: str, **fields: Any) -> None:
        edge = self.office.bot.edge
        who = {"user": {"id": self.user_id, "team_id": "T0ACME"}}
        if name in edge.router.submissions:
            typed = {
                block: {
                    "x": {"selected_option": {"value": given}}
                    if block in ("scope", "verdict")
                    else {"selected_options": [{"value": "yes"}]}
                    if block.startswith("pick:")
                    else {"value": given}
                }
                for block, given in fields.items()
            }
            shown = [
                {"type": "input", "block_id": block, "label": {"text": block}} for block in fields
            ]
            view = {
                "callback_id": name,
                "private_metadata": value,
                "blocks": shown,
                "state": {"values": typed},
                "id": f"V{value}",
                "type": "modal",
            }
            edge.submission(who | {"view": view, "type": "view_submission"})
        else:
            verb, _, rest = name.partition(":")
            action = words.MORE if verb == "more" else name
            carried = f"{rest}:{value}" if verb == "more" else value
            edge.click(
                who
                | {
                    "type": "block_actions",
                    "container": {"channel_id": "C0TRIAGE", "message_ts": "1.1"},
                    "trigger_id": "1.2.x",
                    "actions": [{"action_id": action, "value": carried}],
                }
            )


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, policy=GLASS) as running:
        over_budget(running)
        yield running


def record(office: Office, approval_id: int) -> str:
    """Everything that an act could change of a request."""
    found = []
    with office.db.read() as session:
        for table in (
            Approval,
            ApprovalStage,
            Decision,
            actions.ApprovalQuestion,
            actions.ApprovalHandover,
            actions.ApprovalEdit,
            actions.ApprovalCondition,
            actions.ApprovalReview,
        ):
            columns = table.__table__.c
            key = columns.id if table is Approval else columns.approval_id
            rows = session.execute(select(table.__table__).where(key == approval_id))
            found.append(sorted(map(str, rows.all())))
    return str(found)


def asked(office: Office, amount: str) -> None:
    """Tim asks for more."""
    deps = office.bot.deps
    with office.db.begin(patient=True) as session:
        known = actor_by_slack_id(session, deps.team.org_key, TIM)
        assert known is not None
        budget = budgets.load_detail(make_context(session, policy=deps.policy, now=office.now()), 1)
        submission.submit_request(
            make_context(
                session,
                actor=known[0],
                policy=deps.policy,
                policy_id=deps.holder.version_id,
                now=office.now(),
                org=deps.team.org_key,
            ),
            SubmitRequest(
                gate="budget_increase",
                subject_type="budget",
                form=IncreaseBudget(
                    budget_id=1, revision=budget.burn.revision, amount=amount, scope="period"
                ),
                reason="More GPUs for the backlog",
                request_key=f"asked-{amount}",
            ),
        )


def now(office: Office, approval_id: int) -> int:
    with office.db.read() as session:
        return reads.card(
            make_context(session, policy=office.bot.deps.policy, now=office.now()), approval_id
        ).revision


def has_moved(office: Office, approval_id: int, amount: str) -> str:
    """A file says another amount while a request waits; how whoever asked is shown it."""
    deps = office.bot.deps
    with office.db.begin(patient=True) as session:
        key = session.execute(select(Project.key)).scalars().first()
        row = BudgetRow.model_validate(
            {"project": key, "starts": "2026-01-01", "amount": amount, "currency": "EUR"}
        )
        table = imports.BudgetTable()
        table.take_rows(
            make_context(
                session, OPERATOR, policy=deps.policy, org=deps.team.org_key, now=office.now()
            ),
            [(2, row)],
        )
    office.settle()
    with office.db.read() as session:
        card = reads.card(make_context(session, policy=deps.policy, now=office.now()), approval_id)
    assert card.moved is not None
    return card.moved.mark


def condition(office: Office, approval_id: int) -> tuple[int, int]:
    with office.db.read() as session:
        row = session.execute(
            select(actions.ApprovalCondition).where(
                actions.ApprovalCondition.approval_id == approval_id
            )
        ).scalar_one()
        return row.id, row.revision


def test_nothing_happens_on_what_was_not_shown(office: Office) -> None:
    swept: set[str] = set()

    def act(user_id: str, name: str, value: Callable[[object], str], **fields: Any) -> None:
        """On nothing, on a revision that is not, and on the one that is: only that one does anything."""
        seat, before = Seat(office, user_id), record(office, number)
        current = now(office, number)
        others = ["", str(current + 1)]
        if current > 1:
            others.append(str(current - 1))
        if not swept:
            others += ["0", "x", "9" * 40]
        for shown in others:
            given = {block.replace("REVISION", shown): text for block, text in fields.items()}
            seat.send(name, value(shown), **given)
            assert record(office, number) == before, f"{name} on revision {shown!r}"
        given = {block.replace("REVISION", str(current)): text for block, text in fields.items()}
        seat.send(name, value(current), **given)
        assert record(office, number) != before, f"{name} does nothing: no proof"
        swept.add(name)

    def button(revision: object) -> str:
        return f"{number}:{revision}"

    def window(revision: object) -> str:
        return f"{number}:{revision}:C0TRIAGE:1.1"

    number = 1
    asked(office, "1500")
    act(TIM, "more:nudge", button)
    act(OLA, "approvals.question", window, question="Why twice as much?")
    act(OLA, words.UNASK, button)
    act(OLA, "approvals.question", window, question="Why twice as much?")
    act(TIM, "approvals.answer_given", window, answer="The recall.")
    act(
        TIM,
        budget_words.SUBMIT_CHANGE,
        lambda revision: f"1:1:{number}:C0TRIAGE:1.1:{revision}",
        amount="1600",
        scope="period",
        reason="Two more weeks",
    )
    act(OLA, words.APPROVE, button)
    act(OLA, words.TAKE_BACK, button)
    act(OLA, "approvals.approve_comment", window, reason="It is needed.")
    act(FAY, "approvals.hand_over", window, to=FRED)
    act(
        FRED,
        "approvals.conditions",
        window,
        text_0="Plan the clean-up",
        owner_0=TIM,
        due_0=(office.now() + timedelta(days=4)).date().isoformat(),
    )
    for confirms in (False, True):
        id_, revision = condition(office, number)
        act(
            TIM,
            "approvals.proof",
            lambda shown, rest=f"{id_}:{revision}": f"{window(shown)}:{rest}",
            proof="Ticket 7",
        )
        id_, revision = condition(office, number)
        tail = f"{id_}:{revision}"
        if confirms:
            act(FRED, words.CONFIRM, lambda shown, tail=tail: f"{button(shown)}:{tail}")
        else:
            act(
                FRED,
                "approvals.missing",
                lambda shown, tail=tail: f"{window(shown)}:{tail}",
                missing="Which one?",
            )
    for verdict in ("approvals.reject_reason", "approvals.several_decided", words.WITHDRAW):
        number += 1
        asked(office, str(1700 + number))
        if verdict == words.WITHDRAW:
            act(TIM, verdict, button)
        elif verdict == "approvals.reject_reason":
            act(OLA, verdict, window, reason="Not this month.")
        else:
            several = {f"pick:{number}:REVISION": "yes", "verdict": "reject", "reason": "No."}
            act(OLA, verdict, lambda revision: "", **several)
    for review in (words.RIGHT, "approvals.glass_wrong"):
        number += 1
        asked(office, str(1800 + number))
        act(ADA, "approvals.glass_broken", window, reason="The recall floods the queue")
        if review == words.RIGHT:
            act(OLA, review, button)
        else:
            act(OLA, review, window, note="Too early.")
    number += 1
    asked(office, "2500")
    for answer, amount in ((words.ASK_AGAIN, "1900"), (words.KEEP, "2100")):
        mark = has_moved(office, number, amount)
        act(TIM, answer, lambda revision, mark=mark: f"{button(revision)}:{mark}")
    assert swept == offered(office) - set(READS), "an act that is not swept"
    paths = office.bot.api.openapi()["paths"]
    for path, methods in paths.items():
        if "/approvals/{approval_id}" in path and "post" in methods:
            body = methods["post"]["requestBody"]["content"]["application/json"]
            name = body["schema"]["$ref"].rpartition("/")[2]
            schema = office.bot.api.openapi()["components"]["schemas"][name]
            assert "revision" in schema["required"], f"{path} shows no revision"
