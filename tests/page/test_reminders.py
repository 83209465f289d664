"""A reminder handled in the browser: read, put to another day, and done, at a desk and on a phone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from storage.enums import MilestoneStatus
from tests.conftest import fresh_url
from tests.stories.office import TIM, Office, opened
from tests.stories.test_milestones import found, prepared

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """It is Wednesday morning; Tim's report is due tomorrow, and Ola's launch needs it."""
    with opened(fresh_url("sqlite", request, tmp_path), tmp_path) as running:
        prepared(running)
        running.move(timedelta(days=2, minutes=15))
        yield running


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_reminder_is_handled(browser: Any, office: Office, phone: bool) -> None:
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 800}
    context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)
    context.set_default_timeout(20_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    dm = office.sandbox.seat(TIM).dm().id
    page.goto(f"{office.sandbox.url}/#/{TIM}/{dm}")
    page.wait_for_selector("body.ready")
    if page.get_by_text("Messages", exact=True).count():
        page.get_by_text("Messages", exact=True).first.click()
    messages = page.get_by_test_id("messages")
    expect(messages).to_contain_text(
        "Validation report (Ticket triage) is due tomorrow, Thu 29 Jan"
    )
    expect(messages).to_contain_text("You are told because you own it.")
    page.get_by_test_id("action-milestones.reschedule").click()
    modal = page.get_by_role("dialog")
    expect(modal).to_contain_text("New day")
    modal.locator("input[type=date]").fill("2026-02-10")
    modal.locator("textarea").fill("The labels are late")
    modal.get_by_role("button", name="Reschedule").click()
    office.settle()
    expect(messages).to_contain_text("slipped 12 days")
    expect(messages).to_contain_text("Moves Launch to Mon 16 Feb")
    page.get_by_test_id("action-milestones.done").click()
    modal.locator("input[type=text], textarea").first.fill("https://acme.test/report")
    modal.get_by_role("button", name="Done").click()
    office.settle()
    expect(messages).to_contain_text("met Wed 28 Jan")
    expect(page.get_by_test_id("action-milestones.done")).to_have_count(0)
    assert found(office)["Validation report"].status is MilestoneStatus.DONE
    assert errors == []
    context.close()
