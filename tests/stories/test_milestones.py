"""Milestones through Slack: noted, reminded of, changed by every button, with every copy following."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.enums import MilestoneStatus
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import FAY, GUS, OLA, POLICY, SAM, TIM, Office, opened
from workflows import imports
from workflows.milestones import service
from workflows.milestones.forms import NO_PROOF
from workflows.milestones.records import MilestoneRecord

GATED = (
    POLICY
    + """\
  milestone_reschedule:
    stages: [{name: Project owner, approvers: [subject.owner]}]
milestones: {reschedule: milestone_reschedule}
"""
)
PLAN = """\
project,title,owner,due,needs
triage,Validation report,tim@acme.test,2026-01-29,
triage,Launch,ola@acme.test,2026-02-04,Validation report
"""


@pytest.fixture(params=["sqlite-http", "postgres-http"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Tim owns the validation report, Ola the launch that needs it; it is Monday, 26 January, ten to nine."""
    backend, over = request.param.split("-")
    with opened(fresh_url(backend, request, tmp_path), tmp_path, over=over) as running:
        yield prepared(running)


def prepared(office: Office) -> Office:
    office.project("triage", "Ticket triage")
    bring(office, PLAN)
    return office


def bring(office: Office, text: str, **options: Any) -> imports.Report:
    report = imports.run(
        office.db,
        imports.Request("milestones", office.file("plan.csv", text), **options),
        policy=office.bot.deps.policy,
        org_key=office.bot.deps.team.org_key,
    )
    assert not report.refused, list(imports.lines(report))
    office.settle()
    return report


def found(office: Office) -> dict[str, MilestoneRecord]:
    with office.db.read() as session:
        rows = service.list_for_projects(
            make_context(session, policy=office.bot.deps.policy, now=office.now()), [1]
        )
    return {one.title: one for one in rows[1]}


def texts(office: Office, user: str) -> list[str]:
    seat = office.sandbox.seat(user)
    return [message.text for message in seat.messages(seat.dm().id)]


def use(office: Office, user: str, action_id: str, selected: str | None = None) -> Any:
    """Use the newest message in somebody's direct messages that has this button."""
    seat = office.sandbox.seat(user)
    card = office.card(seat, seat.dm().id, action_id)
    outcome = seat.click(
        channel_id=seat.dm().id, ts=card.ts, action_id=action_id, selected=selected
    )
    assert outcome.ok
    return seat


def more(office: Office, user: str, verb: str) -> Any:
    """Choose from the menu More of the newest message."""
    seat = office.sandbox.seat(user)
    card = office.card(seat, seat.dm().id, "milestones.more")
    menus = [
        element
        for block in card.blocks
        for element in block.get("elements", ())
        if element.get("action_id") == "milestones.more"
    ]
    value = next(
        option["value"] for option in menus[0]["options"] if option["value"].startswith(verb)
    )
    return use(office, user, "milestones.more", value)


def send(office: Office, seat: Any, **values: Any) -> Any:
    outcome = seat.submit(
        seat.modals()[-1].id, {name: {name: value} for name, value in values.items()}
    )
    office.settle()
    return outcome


def until_reminded(office: Office) -> None:
    """To Wednesday morning, the day before the report is due."""
    office.move(timedelta(days=2, minutes=15))


def test_a_reminder_is_handled(office: Office) -> None:
    until_reminded(office)
    assert texts(office, TIM) == ["Validation report (Ticket triage) is due tomorrow, Thu 29 Jan"]
    tim = use(office, TIM, "milestones.done")
    wrong = send(office, tim, proof="   ", on="2026-03-01").errors
    assert wrong == {
        "proof": NO_PROOF,
        "on": "That day is still to come; pick today or an earlier day.",
    }
    assert send(office, tim, proof="https://acme.test/report?a=1&b=2", on="2026-01-28").ok
    assert found(office)["Validation report"].status is MilestoneStatus.DONE
    card = office.last(tim, tim.dm().id)
    assert card.text == "Validation report (Ticket triage) met Wed 28 Jan, 1 day early"
    assert "milestones.done" not in str(card.blocks)
    assert "<https://acme.test/report?a=1&amp;b=2>" in str(card.blocks)
    office.move(timedelta(days=1))
    assert len(texts(office, TIM)) == 1


def test_a_slip_says_what_it_moves_and_the_reminder_follows(office: Office) -> None:
    until_reminded(office)
    tim = use(office, TIM, "milestones.reschedule")
    assert send(office, tim, new="2026-02-10", reason="The <!here> labels are late").ok
    card = office.last(tim, tim.dm().id)
    assert "slipped 12 days" in str(card.blocks)
    assert "Moves *Launch* to Mon 16 Feb" in str(card.blocks)
    launch = found(office)["Launch"]
    assert (launch.forecast, launch.expected) == (date(2026, 2, 4), date(2026, 2, 16))
    assert launch.status is MilestoneStatus.AT_RISK
    assert "<!here>" not in str(card.blocks)


def test_at_risk_and_on_track_again(office: Office) -> None:
    until_reminded(office)
    assert send(office, more(office, TIM, "risk"), reason="Two labels *missing*").ok
    tim = office.sandbox.seat(TIM)
    assert "At risk: “Two labels ∗missing∗”" in str(office.last(tim, tim.dm().id).blocks)
    more(office, TIM, "track")
    office.settle()
    assert "At risk" not in str(office.last(tim, tim.dm().id).blocks).replace("At risk…", "")
    assert found(office)["Validation report"].status is MilestoneStatus.ON_TRACK


def test_snoozing_says_what_it_swallows(office: Office) -> None:
    until_reminded(office)
    tim = more(office, TIM, "snooze")
    window = str(tim.modals()[-1].as_json())
    assert "swallows nothing" not in window
    assert "Until Mon 2 Feb · swallows the reminder of Thu 29 Jan" in window
    radio = tim.modals()[-1].blocks[1]["element"]["options"]
    chosen = next(one for one in radio if one["value"] == "2026-02-02")
    assert send(office, tim, until=chosen["value"]).ok
    assert "Snoozed until Mon 2 Feb" in str(office.last(tim, tim.dm().id).blocks)
    office.move(timedelta(days=6))
    assert len(texts(office, TIM)) == 1, "a swallowed reminder came"
    office.move(timedelta(days=2))
    assert "overdue" in texts(office, TIM)[-1]


def test_not_mine_hands_it_on(office: Office) -> None:
    until_reminded(office)
    tim = more(office, TIM, "hand")
    assert send(office, tim, to=FAY).ok
    assert found(office)["Validation report"].owner.name == "Fay"  # type: ignore[union-attr]
    card = office.last(tim, tim.dm().id)
    assert "milestones.done" not in str(card.blocks)
    assert f"With <@{FAY}> now" in str(card.blocks)
    office.move(timedelta(hours=6))  # nine in New York
    assert (
        "Tim handed you Validation report (Ticket triage), due tomorrow" in texts(office, FAY)[-1]
    )
    fay = use(office, FAY, "milestones.done")
    assert send(office, fay, proof="accepted by mail").ok
    assert "met Wed 28 Jan" in texts(office, FAY)[-1]


def test_a_click_that_is_out_of_date_or_not_theirs_changes_nothing(office: Office) -> None:
    until_reminded(office)
    tim = office.sandbox.seat(TIM)
    shown = office.card(tim, tim.dm().id, "milestones.done")
    send(office, use(office, TIM, "milestones.reschedule"), new="2026-01-30", reason="a day")
    tim.click(channel_id=tim.dm().id, ts=shown.ts, action_id="milestones.done", message=shown)
    office.private(tim, "This milestone changed since it was shown to you")
    fay = office.sandbox.seat(FAY)
    listed = fay.slash("/mlgov", "milestones triage", "C0TRIAGE").body
    assert "You can see no project “triage”" in str(listed)


def test_a_later_day_is_approved_where_the_policy_says_so(
    sqlite_template: Path, tmp_path: Path
) -> None:
    with opened(f"sqlite:///{tmp_path / 'm.db'}", tmp_path, policy=GATED) as office:
        prepared(office)
        until_reminded(office)
        tim = use(office, TIM, "milestones.reschedule")
        assert "A later day has to be approved" in str(tim.modals()[-1].as_json())
        assert send(office, tim, new="2026-02-10", reason="labels are late").ok
        assert found(office)["Validation report"].forecast == date(2026, 1, 29)
        assert "asked to move it to Tue 10 Feb; request #1" in str(
            [message.blocks for message in tim.messages(tim.dm().id)]
        )
        assert (
            "Ticket triage asks to move “Validation report”: Thu 29 Jan → Tue 10 Feb (+12 days)"
            in texts(office, OLA)[-1]
        )
        use(office, TIM, "milestone.change")
        window = tim.modals()[-1]
        assert "2026-02-10" in str(window.as_json())
        assert send(office, tim, new="2026-02-05", reason="labels are late").ok
        assert "is asked anew" in str(tim.modals()[-1].as_json())
        assert "Thu 29 Jan → Thu 5 Feb (+7 days)" in texts(office, OLA)[-1]
        tim.close(tim.modals()[-1].id)
        ola = office.sandbox.seat(OLA)
        card = office.card(ola, ola.dm().id, "approvals.reject")
        ola.click(channel_id=ola.dm().id, ts=card.ts, action_id="approvals.reject")
        assert send(office, ola, reason="not that late").ok
        use(office, TIM, "milestone.again")
        assert "2026-02-05" in str(tim.modals()[-1].as_json())
        assert send(office, tim, new="2026-02-10", reason="labels are late").ok
        card = office.card(ola, ola.dm().id, "approvals.approve")
        ola.click(channel_id=ola.dm().id, ts=card.ts, action_id="approvals.approve")
        office.settle()
        assert found(office)["Validation report"].forecast == date(2026, 2, 10)
        assert "slipped 12 days" in str([m.blocks for m in tim.messages(tim.dm().id)])


def test_a_promise_in_a_channel_becomes_a_milestone(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    ola.say("C0TRIAGE", "I'll have the <https://acme.test|data sheet> ready by Friday.")
    message = ola.messages("C0TRIAGE")[-1]
    assert ola.shortcut("milestones.promise", "C0TRIAGE", message.ts).ok
    window = str(ola.modals()[-1].as_json())
    assert "the data sheet ready by Friday" in window
    assert "by Friday." not in window
    wrong = send(office, ola, due="2026-01-20")
    assert wrong.errors == {"due": "That day has passed already; pick today or a later day."}
    assert send(office, ola, title="Data sheet", due="2026-01-30").ok
    assert "Noted: Data sheet, Ticket triage, due Fri 30 Jan" in str(ola.modals()[-1].as_json())
    assert found(office)["Data sheet"].owner.name == "Ola"  # type: ignore[union-attr]
    card = office.last(ola, "C0TRIAGE")
    assert card.text == "Ola noted a promise: Data sheet (Ticket triage), due Fri 30 Jan"


def test_the_list_adds_and_changes(office: Office) -> None:
    tim = office.sandbox.seat(TIM)
    said = tim.slash("/mlgov", "milestones triage", "C0TRIAGE").body
    assert "Ticket triage: 2 open milestones, all on track" in str(said)
    assert "all on track" in str(tim.slash("/mlgov", "milestones", "C0TRIAGE").body)


def test_what_was_overdue_when_imported_waits_for_one_click(office: Office) -> None:
    bring(
        office,
        "project,title,owner,due\ntriage,Old one,fay@acme.test,2025-12-01\ntriage,Older one,,2025-11-01\n",
    )
    office.move(timedelta(minutes=15))
    assert texts(office, TIM) == ["2 milestones were overdue already when plan.csv came in"]
    assert texts(office, FAY) == []
    use(office, TIM, "milestones.start")
    office.settle()
    tim = office.sandbox.seat(TIM)
    assert "Reminders started" in str(office.last(tim, tim.dm().id).blocks)
    office.move(timedelta(days=1, hours=6))
    assert "Old one (Ticket triage) was due Mon 1 Dec 2025" in texts(office, FAY)[-1]


def test_a_shared_channel_shows_no_names(office: Office) -> None:
    ola = office.sandbox.seat(OLA)
    ola.say("C0SHARED", "We will have it by Friday")
    message = ola.messages("C0SHARED")[-1]
    assert ola.shortcut("milestones.promise", "C0SHARED", message.ts).ok
    triage = ola.modals()[-1].blocks[0]["element"]["options"][0]["value"]
    assert send(office, ola, project=triage, title="Secret plan", due="2026-01-30").ok
    for user in (GUS, SAM):
        seen = str(office.sandbox.seat(user).messages("C0SHARED"))
        assert "A milestone was promised here" in seen
        assert "Secret plan" not in seen
