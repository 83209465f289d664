"""The front door in a real browser, on a desk and on a phone: Home, status, help, and the first meeting."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from bot.demo import organisation as org
from bot.demo.command import Demo
from tests.demo.test_demo import OPENS


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    running = Demo(at=OPENS)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def opened(browser: Browser, *, phone: bool) -> Page:
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 860}
    context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)
    context.set_default_timeout(20_000)
    return context.new_page()


def visit(page: Page, demo: Demo, user_id: str, place: str) -> None:
    page.goto(f"{demo.url}/#/{user_id}/{place}")
    page.reload()
    page.wait_for_selector("body.ready")


def general(demo: Demo) -> str:
    channels = demo.sandbox.world.channels.values()
    return next(channel.id for channel in channels if channel.name == "general")


def type_(page: Page, words: str) -> None:
    box = page.get_by_test_id("composer")
    box.fill(words)
    page.keyboard.press("Escape")
    box.press("Enter")


def fits(page: Page) -> None:
    """Nothing runs out of the window sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_status_help_and_the_first_meeting(demo: Demo, browser: Browser, phone: bool) -> None:
    page = opened(browser, phone=phone)
    newcomer = org.ELENA
    visit(page, demo, newcomer, general(demo))
    type_(page, "/mlgov")
    expect(page.get_by_text("for you.").last).to_be_visible()
    type_(page, "/mlgov help")
    expect(page.get_by_text("Decide and ask").last).to_be_visible()
    expect(page.get_by_text("You answer for")).to_have_count(1)
    fits(page)
    visit(page, demo, org.GRACE, general(demo))
    type_(page, "/mlgov status all")
    expect(page.get_by_text("1–6 of 8").last).to_be_visible()
    fits(page)
    page.get_by_role("button", name="Next ›").last.click()
    expect(page.get_by_text("1–6 of 8")).to_have_count(0)
    expect(page.get_by_text("7–8 of 8").last).to_be_visible()
    page.get_by_role("button", name=re.compile("^Open")).last.click()
    expect(page.get_by_text("No request about it waits.")).to_be_visible()
    fits(page)
    page.keyboard.press("Escape")
    page.context.close()


@pytest.mark.slow
@pytest.mark.browser
def test_a_home_decides_right_there_and_the_requesters_follows(
    demo: Demo, browser: Browser
) -> None:
    requester, phone = opened(browser, phone=False), opened(browser, phone=True)
    visit(requester, demo, org.TOMAS, "home")
    expect(requester.get_by_text("You asked for")).to_be_visible()
    expect(requester.get_by_text("With Budget owner")).to_be_visible()
    visit(phone, demo, org.MAYA, "home")
    expect(phone.get_by_text("1 decision and a check-in wait for you")).to_be_visible()
    fits(phone)
    phone.get_by_role("button", name="Approve").click()
    expect(phone.get_by_text("A check-in waits for you")).to_be_visible()
    expect(requester.get_by_text("is now 52,000 EUR")).to_be_visible(timeout=30_000)
    phone.context.close()
    requester.context.close()
