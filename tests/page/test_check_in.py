"""A check-in as a person sees it, from the invitation to the radar, at a desk and on a phone."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from storage.enums import Answer
from tests.contexts import make_context
from tests.maturity.company import BOSS, ORG, POLICY, RUBRIC, give_personas, staff, warm_up, world
from tests.stories.office import Office, opened
from workflows.maturity import service
from workflows.people import service as people

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PEOPLE = 7
ME = "U0P004"


@pytest.fixture
def company(sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    """Six of seven have answered; the seventh is invited."""
    warm_up()
    with opened(
        f"sqlite:///{tmp_path / 'page.db'}", tmp_path, world=world(PEOPLE), policy=POLICY, scale=0.3
    ) as office:
        deps = office.bot.deps
        with office.db.begin(patient=True) as session:
            give_personas(session, leaders=2)
        with office.db.begin(patient=True) as session:
            boss = people.actor_by_slack_id(session, ORG, BOSS)
            assert boss is not None
            service.start_check_in(
                make_context(session, actor=boss[0], policy=deps.policy, org=ORG, now=office.now()),
                None,
            )
        office.settle()
        office.move(timedelta(hours=24))
        said = {
            one.id: (None, Answer.NO if one.id.startswith("data") else Answer.YES)
            for one in RUBRIC.statements
        }
        with office.db.begin(patient=True) as session:
            for slack_id in staff(PEOPLE):
                found = people.actor_by_slack_id(session, ORG, slack_id)
                assert found is not None
                mine = service.find_own(make_context(session, actor=found[0], policy=deps.policy))
                assert mine is not None
                if slack_id != ME:
                    service.keep_window_answers(
                        make_context(session, actor=found[0], policy=deps.policy, now=office.now()),
                        mine.id,
                        said,
                    )
        office.settle()
        yield office


@pytest.fixture(params=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, company: Office) -> Iterator[Page]:
    """My direct conversation with mlgov."""
    phone = request.param == "phone"
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
    context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)
    context.set_default_timeout(20_000)
    opened_page = context.new_page()
    errors: list[str] = []
    opened_page.on("pageerror", lambda error: errors.append(str(error)))
    inbox = company.sandbox.seat(ME).dm().id
    opened_page.goto(f"{company.sandbox.url}/#/{ME}/{inbox}")
    opened_page.wait_for_selector("body.ready")
    opened_page.mlgov_name = request.param
    yield opened_page
    context.close()
    assert errors == []


def shoot(page: Any, name: str) -> None:
    """Keep a picture of the page where MLGOV_SHOTS says so, to look at."""
    if folder := os.environ.get("MLGOV_SHOTS"):
        page.screenshot(path=f"{folder}/check-in-{page.mlgov_name}-{name}.png")


def test_from_the_invitation_to_the_radar(page: Page, company: Office) -> None:
    expect(page.get_by_text("about 6 minutes of your time")).to_be_visible()
    expect(page.get_by_text("Who can see what.")).to_be_visible()
    shoot(page, "1-invitation")
    page.get_by_test_id("action-maturity.open").click()
    modal = page.get_by_test_id("modal")
    for number, dimension in enumerate(RUBRIC.dimensions, 1):
        expect(modal).to_contain_text(f"{dimension.name} · {number} of 6")
        groups = modal.get_by_role("radiogroup")
        expect(groups).to_have_count(len(dimension.statements))
        for n in range(len(dimension.statements)):
            groups.nth(n).get_by_text("Yes", exact=True).click()
        shoot(page, f"2-part-{number}")
        if number == 2:
            page.get_by_test_id("action-maturity.note").click()
            modal.get_by_label("Comment").fill("Only vision has owners")
            page.get_by_test_id("modal-submit").click()
            expect(modal).to_contain_text("Only vision has owners")
        page.get_by_test_id("modal-submit").click()
    expect(modal).to_contain_text("All 32 answered, thank you.")
    shoot(page, "3-end")
    page.keyboard.press("Escape")
    expect(modal).to_have_count(0)
    company.settle()
    expect(page.get_by_text("done, all 32 answered")).to_be_visible()
    shoot(page, "4-done")
    page.get_by_test_id("action-maturity.said").click()
    expect(modal).to_contain_text("Only vision has owners")
    shoot(page, "5-said")
    page.keyboard.press("Escape")
    company.move(timedelta(days=25))
    company.settle()
    page.goto(f"{company.sandbox.url}/#/{ME}/C0GOV")
    expect(page.get_by_text("low overall, median high").first).to_be_visible()
    radar = page.locator("img[alt*='Data low']").first
    expect(radar).to_be_visible()
    page.wait_for_function("image => image.naturalWidth > 400", arg=radar.element_handle())
    radar.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    shoot(page, "6-radar")
    page.get_by_test_id("action-maturity.details").click()
    expect(modal).to_contain_text("Does not hold yet")
    shoot(page, "7-details")
