"""A business case in a real browser, at a desk and on a phone: from "Propose this" to an approved project and its rank."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from bot.cases import words
from tests.page.test_model_life import CHANNEL, Desk
from tests.stories.office import ADA, OLA, TIM, Office, opened, organisation
from tests.stories.test_cases import GATED

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
IDEA = "We could route tickets by themselves. Half of them go to the wrong team today."
SIZES = {"desk": (1280, 900), "phone": (390, 844)}


@pytest.fixture
def office(sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    url = f"sqlite:///{tmp_path / 'page.db'}"
    people = organisation()
    for channel in people["channels"]:
        if channel["id"] == CHANNEL:
            channel["members"] = [*channel["members"], ADA]
    with opened(url, tmp_path, policy=GATED, world=people) as running:
        yield running


@pytest.mark.parametrize("size", SIZES)
def test_from_propose_this_to_a_rank(office: Office, browser: Any, size: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=size == "phone",
        has_touch=size == "phone",
    )
    context.set_default_timeout(20_000)
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    desk = Desk(page, office)

    def shot(name: str) -> None:
        if desk.shots:
            page.wait_for_timeout(300)
            page.screenshot(path=f"{desk.shots}/case-{size}-{name}.png")

    office.sandbox.seat(OLA).say(CHANNEL, IDEA)
    desk.sit(TIM)
    message = page.get_by_test_id("message").last
    message.hover()
    message.get_by_test_id("more-actions").click()
    page.get_by_role("menuitem", name="Propose this").click()
    expect(desk.modal).to_contain_text("Step 1 of 8")
    shot("1-idea")
    desk.fill(title="Ticket routing")
    desk.send("Step 2 of 8")
    desk.pick("sponsor", "Ola")
    desk.modal.get_by_text("Optimisation", exact=True).last.click()
    shot("2-people")
    desk.send("Step 3 of 8")
    desk.fill(metric="Minutes to route a ticket", baseline="12", target="4")
    desk.send("Step 4 of 8")
    desk.modal.get_by_test_id("action-starts").fill("2026-03-01")
    desk.fill(months="24")
    desk.send("Step 5 of 8")
    desk.pick(words.ADD_LINE, "Time saved")
    expect(desk.modal).to_contain_text("How many uses a month?")
    desk.fill(uses="6,000 / 8,000 / 9,000", minutes="3", acceptance="60 %", rate="45")
    shot("5-time-saved")
    desk.send("259,200 EUR in all")
    shot("5-benefits")
    desk.send("Step 6 of 8")
    desk.pick(words.ADD_LINE, "Compute")
    expect(desk.modal).to_contain_text("How much a month?")
    desk.fill(amount="1,500")
    desk.send("36,000 EUR in all")
    desk.send("Step 7 of 8")
    desk.fill(confidence="70 %", feasibility="90 %")
    desk.send("Step 8 of 8")
    expect(desk.modal).to_contain_text("Would be the only project ranked that you see")
    shot("8-review")
    desk.fill(reason="The queue doubled since the summer.")
    page.get_by_test_id("modal-submit").click()
    expect(desk.modal).to_contain_text("waits for a decision")
    desk.close()
    office.settle()

    desk.sit(OLA, office.sandbox.seat(OLA).dm().id)
    expect(page.get_by_text("it costs 36,000 EUR and brings 259,200 EUR").first).to_be_visible()
    shot("9-card")
    desk.press("approvals.details")
    expect(desk.modal).to_contain_text("Worth today")
    shot("9-details")
    desk.close()
    desk.press("approvals.approve")
    office.settle()
    expect(page.get_by_text("Ticket routing may begin").first).to_be_visible()
    shot("9-approved")

    desk.sit(ADA)
    answer = desk.type("/mlgov portfolio")
    expect(answer).to_contain_text("Ticket routing is worth most")
    desk.press(words.WHY)
    expect(desk.modal).to_contain_text("Present value of benefits")
    shot("10-why")
    desk.press(words.PUT)
    desk.fill(place="1", reason="The regulator asks for it.")
    desk.modal.get_by_test_id("action-until").fill("2026-06-30")
    shot("11-put")
    desk.send("The regulator asks for it.")
    assert errors == []
    context.close()
