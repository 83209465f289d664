"""Everything that is wrong in a window is said at once, each fault under its field."""

from collections.abc import Callable
from datetime import date
from typing import Any, cast

import pytest

from bot.approvals import delegation
from bot.deps import Deps
from bot.inventory import evidence
from bot.inventory import windows as models
from bot.maturity import slack as maturity
from bot.maturity import windows as maturity_windows
from bot.milestones import slack as milestones
from bot.milestones import windows
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import (
    AddWindow,
    CheckInRef,
    GapRef,
    MilestoneWindow,
    WrongFields,
    ask,
    place_faults,
)
from bot.slack.requests import Submission
from storage.enums import MilestoneStatus, MilestoneType
from workflows.context import SYSTEM
from workflows.evidence.forms import SubmitEvidence
from workflows.inventory.forms import RegisterModel
from workflows.maturity.forms import Skip
from workflows.maturity.records import Missing, Targets
from workflows.milestones.forms import NO_PROOF, NO_REASON
from workflows.milestones.records import MilestoneRecord

TODAY = date(2026, 1, 26)
REPORT = MilestoneRecord(
    id=6,
    revision=1,
    project_id=1,
    project_key="triage",
    project="Triage",
    title="Report",
    type=MilestoneType.OTHER,
    owner=None,
    baseline=TODAY,
    forecast=TODAY,
    actual=None,
    expected=TODAY,
    slip=0,
    status=MilestoneStatus.ON_TRACK,
    is_reminding=True,
)
OF_REPORT = MilestoneWindow(6, 1)


def sent(view: Block, **values: Any) -> Submission:
    """A window as Slack sends it. What is wrong in it is known before mlgov is asked anything, so there is none here."""
    return Submission(cast("Deps", None), SYSTEM, {"id": "V1", **view}, "", values)


def modal(*body: Block) -> Block:
    return blocks.modal("Window", list(body), callback_id="x", submit="Send")


def fault(work: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(WrongFields) as refused:
        work()
    return refused.value.faults


def test_a_milestone_without_words_day_and_owner() -> None:
    view = windows.add(
        projects=[("triage", "Triage")],
        chosen="triage",
        is_fixed=True,
        title="",
        owner=None,
        others=(),
        metadata="",
    )
    assert fault(lambda: milestones.add(sent(view, title="  "), AddWindow("triage"))) == {
        "title": "Say in a few words what is to be reached.",
        "due": "Pick a day.",
        "owner": "Pick somebody.",
    }


def test_what_is_done_without_proof_and_day_and_moved_without_day_and_reason() -> None:
    done = windows.done(REPORT, TODAY, metadata="")
    assert fault(lambda: milestones.done(sent(done, proof=" "), OF_REPORT)) == {
        "on": "Pick a day.",
        "proof": NO_PROOF,
    }
    moved = windows.reschedule(REPORT, TODAY, decided_by=None, metadata="")
    assert fault(lambda: milestones.reschedule(sent(moved, reason=" "), OF_REPORT)) == {
        "new": "Pick a day.",
        "reason": NO_REASON,
    }
    far = fault(lambda: milestones.reschedule(sent(moved, new="9026-01-01"), OF_REPORT))
    assert far.keys() == {"new", "reason"}


def test_an_action_without_words_and_day_and_skipping_without_a_reason() -> None:
    aims = Targets(None, {}, {}, (), None)
    view = maturity_windows.plan_action(
        aims, Missing("data.owner", "Somebody owns the data."), owner=None, due=TODAY
    )
    assert fault(lambda: maturity.keep_plan(sent(view, title=" "), GapRef("data.owner"))) == {
        "title": "Say in a few words what is to be reached.",
        "due": "Pick a day.",
    }
    skip = modal(ask(Skip, "reason"))
    for reason in ("", "  ", "no"):
        refused = fault(lambda given=reason: maturity.skip(sent(skip, reason=given), CheckInRef(1)))  # type: ignore[misc]
        assert refused == {"reason": "Say in a few words why."}


def test_a_model_with_a_bad_name_and_no_vendor() -> None:
    view = modal(*(ask(RegisterModel, field) for field in ("name", "kind", "vendor", "purpose")))
    submission = sent(view, name="F", kind="vendor", purpose="Scores")
    known = {"key": "f", "request_key": "view:V1"}
    wrong = fault(lambda: submission.form(RegisterModel, known, {"owner": "Choose somebody else."}))
    assert wrong.keys() == {"name", "vendor", "owner"}
    assert wrong["vendor"] == "Say which vendor it comes from."


@pytest.mark.parametrize(
    ("type_", "block", "needed"),
    [
        ("performance_report", "metrics", "A performance report needs at least one metric"),
        ("monitoring_plan", "metrics", "A monitoring plan needs at least one measure"),
        ("validation_report", "outcome", "A validation report has an outcome"),
    ],
)
def test_evidence_without_what_its_type_needs(type_: str, block: str, needed: str) -> None:
    metrics = models.text("Metrics", models.METRICS)
    outcome = ask(SubmitEvidence, "outcome")
    view = modal(metrics, outcome, ask(SubmitEvidence, "uri"), ask(SubmitEvidence, "summary"))
    wrong = fault(lambda: sent(view, uri="my laptop").form(SubmitEvidence, {"type": type_}))
    assert wrong.keys() == {block, "uri"}
    assert wrong[block].startswith(needed)


def test_a_rule_over_all_of_evidence_is_said_where_its_fields_are_right() -> None:
    view = modal(models.text("Metrics", models.METRICS), ask(SubmitEvidence, "summary"))
    empty = {"type": "datasheet"}
    assert fault(lambda: sent(view).form(SubmitEvidence, empty)).keys() == {"summary"}
    unread = {"metrics": "Line 2: A number in there is not written right."}
    assert fault(lambda: sent(view).form(SubmitEvidence, empty, unread)) == unread


def test_every_column_that_is_not_named() -> None:
    wrong = fault(lambda: evidence._columns(sent(modal(), cut="half")))
    assert wrong.keys() == {models.TRUTH, models.PREDICTION, models.CUT, models.GROUPS}


def test_an_absence_of_nobody_on_no_day() -> None:
    wrong = fault(lambda: delegation.plan(sent(delegation._modal(), stand_in=None)))
    assert wrong == dict.fromkeys(("stand_in", "since", "until"), "Choose one.")


def test_a_fault_stands_under_its_field_or_in_the_last() -> None:
    view = modal(ask(Skip, "reason"), ask(SubmitEvidence, "summary"))
    assert place_faults([("reason", "A."), ("owner_id", "B."), (None, "C.")], view) == {
        "reason": "A.",
        "summary": "B.",
    }
    assert place_faults([("reason", "A.")], modal()) == {}
