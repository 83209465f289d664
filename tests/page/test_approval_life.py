"""Fourteen days of three requests in the browser, at a desk and on a phone: asked, answered, reminded of, decided together,
changed, approved on a condition that is met, and one that nobody decides."""

import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from storage.enums import ApprovalState
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import FAY, OLA, POLICY, TIM, Office, eventually, opened
from tests.stories.test_road import state, verified
from tests.stories.test_several import asked
from workflows.approvals import reads
from workflows.budgets import service as budgets

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REMINDED = POLICY.replace("    expires_after: 7d", "    remind_after: [1d]\n    expires_after: 7d")
SHOTS = os.environ.get("MLGOV_SHOTS")
"""A folder in which to leave pictures of what people saw."""


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """One running mlgov in which Tim has asked for more in three projects."""
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, policy=REMINDED) as running:
        for number in (1, 2, 3):
            running.project(f"p{number}", f"Project {number}")
            asked(running, number)
        running.settle()
        yield running


class Reader:
    """Somebody at the page, one person after another."""

    def __init__(self, browser: Any, office: Office, *, phone: bool) -> None:
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
        self.context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.office, self.name = office, "phone" if phone else "desk"

    def sees(self, user: str, place: str = "dm") -> Any:
        """Their direct message with mlgov, or another place."""
        where = self.office.sandbox.seat(user).dm().id if place == "dm" else place
        self.page.goto(f"{self.office.sandbox.url}/#/{user}/{where}")
        self.page.reload()
        self.page.wait_for_selector("body.ready")
        return self.page.get_by_test_id("home" if place == "home" else "messages")

    def on(self, about: str, action: str) -> Any:
        """A button on the newest message about something that has it."""
        button = self.page.get_by_test_id(f"action-{action}")
        with_it = self.page.get_by_test_id("message").filter(has_text=about)
        return with_it.filter(has=button).last.get_by_test_id(f"action-{action}").last

    def press(self, button: Any) -> None:
        """Use a button, until the app has answered and what follows has arrived."""
        with self.page.expect_response(lambda answer: answer.request.method == "POST"):
            button.click()
        self.office.settle()

    def more(self, about: str, entry: str) -> None:
        """An entry behind the three dots of the newest card about something."""
        self.on(about, "approvals.more").click()
        self.press(self.page.get_by_text(entry).last)

    def window(self, button: str, **values: str) -> None:
        """Fill in the window that is open, and send it."""
        modal = self.page.get_by_role("dialog").last
        expect(modal).to_be_visible()
        for label, value in values.items():
            modal.get_by_label(label.replace("_", " ")).last.fill(value)
        self.shot(button)
        self.press(modal.get_by_role("button", name=button, exact=True))

    def shot(self, name: str) -> None:
        """Nothing runs out of the window sideways; a picture, where one is wanted."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        if SHOTS:
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=f"{SHOTS}/life-{self.name}-{name.replace(' ', '-')}.png")


def _stage(office: Office, number: int) -> int:
    deps = office.bot.deps
    with office.db.read() as session:
        return reads.card(make_context(session, policy=deps.policy, now=office.now()), number).stage


def amount(office: Office, project_id: int) -> Decimal:
    with office.db.read() as session:
        (burn,) = budgets.burns_by_project(
            make_context(session, policy=office.bot.deps.policy, now=office.now()), [project_id]
        )[project_id]
    return burn.amount


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_fourteen_days(browser: Any, office: Office, phone: bool) -> None:
    reader = Reader(browser, office, phone=phone)
    page = reader.page

    messages = reader.sees(OLA)
    expect(messages).to_contain_text("Project 1 asks to raise January's budget")
    reader.shot("asked")
    reader.more("Project 1 asks", "Ask for information…")
    reader.window("Ask", What_do_you_want_to_know="Why twice as much?")
    messages = reader.sees(TIM)
    expect(messages).to_contain_text("Ola asks you before deciding")
    reader.shot("question")
    reader.press(page.get_by_test_id("action-approvals.answer").last)
    reader.window("Answer", Your_answer="The recall doubled the backlog.")

    office.move(timedelta(days=1, hours=3))
    messages = reader.sees(OLA)
    expect(messages).to_contain_text("3 decisions still wait for you")
    reader.shot("reminder")

    home = reader.sees(OLA, "home")
    reader.press(page.get_by_test_id("action-approvals.several"))
    modal = page.get_by_role("dialog").last
    for number in (1, 2):
        modal.get_by_label(f"Decide request #{number}").check()
    reader.window("Decide")
    expect(page.get_by_role("dialog").last).to_contain_text("2 requests approved")
    reader.shot("several")
    page.get_by_role("dialog").last.get_by_role("button", name="Close").last.click()
    expect(home).to_contain_text("1 decision waits for you")

    reader.sees(TIM)
    reader.press(reader.on("Project 1", "budget.change"))
    reader.window("Change", New_amount="1,300")
    expect(page.get_by_role("dialog").last).to_contain_text("Budget owner is asked anew")
    page.get_by_role("dialog").last.get_by_role("button", name="Close").last.click()
    reader.shot("changed")

    messages = reader.sees(OLA)
    expect(messages).to_contain_text("1,000 → 1,300 EUR")
    reader.more("1,000 → 1,300 EUR", "Approve on conditions…")
    modal = page.get_by_role("dialog").last
    modal.locator("textarea, input[type=text]").first.fill("Plan the clean-up")
    modal.get_by_role("button", name="Who sees to it?").first.click()
    page.get_by_test_id("picker-search").fill("tim")
    page.keyboard.press("Enter")
    modal.locator("input[type=date]").first.fill("2026-02-04")
    reader.window("Approve")

    eventually(lambda: _stage(office, 1) == 1, "Finance is asked about the first")
    for number in (1, 2):
        reader.sees(FAY)
        reader.press(reader.on(f"Project {number} asks", "approvals.approve"))
        eventually(
            lambda number=number: state(office, number) is ApprovalState.APPROVED,
            f"request {number} is approved",
        )
    assert state(office, 3) is ApprovalState.PENDING
    assert (amount(office, 1), amount(office, 2)) == (Decimal(1300), Decimal(1500))

    messages = reader.sees(TIM)
    expect(messages).to_contain_text("An approval depends on you until")
    reader.shot("condition")
    reader.press(page.get_by_test_id("action-approvals.claim").last)
    modal = page.get_by_role("dialog").last
    modal.locator("textarea, input[type=text]").first.fill("It is in ticket 12.")
    reader.press(modal.get_by_role("button", name="Met"))
    reader.sees(OLA)
    reader.press(page.get_by_test_id("action-approvals.confirm").last)
    expect(page.get_by_test_id("action-approvals.confirm")).to_have_count(0)

    office.move(timedelta(days=13))
    messages = reader.sees(TIM)
    expect(messages).to_contain_text("Expired")
    expect(page.get_by_test_id("action-budget.again").last).to_be_visible()
    reader.shot("expired")
    assert state(office, 3) is ApprovalState.EXPIRED
    assert state(office, 1) is ApprovalState.APPROVED
    assert amount(office, 3) == Decimal(1000)
    assert verified(office)
    assert reader.errors == []
    reader.context.close()
