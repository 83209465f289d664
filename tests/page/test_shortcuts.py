"""The app's shortcuts in a message's menu, with the mouse, by keyboard and on a phone."""

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Opener

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_shortcut_by_mouse_and_by_keyboard(open_page: Opener) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    message = page.get_by_test_id("message").last
    message.hover()
    message.get_by_test_id("more-actions").click()
    item = page.get_by_role("menuitem", name="Add as a milestone")
    expect(item).to_be_focused()
    expect(item).to_contain_text("Steward")
    item.click()
    expect(page.get_by_test_id("modal")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("modal")).to_have_count(0)

    message.get_by_test_id("more-actions").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("ephemeral")).to_contain_text("Fail at once failed")


def test_a_shortcut_on_a_phone_and_in_a_thread(open_page: Opener) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE", phone=True)
    more = page.get_by_test_id("message").last.get_by_test_id("more-actions")
    more.tap()
    page.get_by_role("menuitem", name="Reply in thread").tap()
    thread = page.get_by_test_id("thread-messages")
    expect(thread).to_contain_text("A100s")
    thread.get_by_test_id("more-actions").last.tap()
    expect(page.get_by_role("menuitem", name="Reply in thread")).to_have_count(0)
    page.get_by_role("menuitem", name="Add as a milestone").tap()
    expect(page.get_by_test_id("modal")).to_be_visible()
