"""Modals and the Home tab on the page."""

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Opener
from tests.page.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_errors_stand_under_their_fields(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    page.get_by_test_id("action-reject").click()
    modal = page.get_by_test_id("modal")
    expect(modal).to_be_visible()
    page.get_by_test_id("modal-submit").click()
    error = page.get_by_test_id("block-input").get_by_test_id("field-error")
    expect(error).to_contain_text("required")
    field = modal.get_by_label("Why?")
    expect(field).to_be_focused()
    field.fill("no reason given")
    page.get_by_test_id("modal-submit").click()
    expect(error).to_contain_text("Say “because”")
    expect(field).to_have_value("no reason given")
    field.fill("because the backlog is gone")
    page.get_by_test_id("modal-submit").click()
    expect(modal).to_have_count(0)
    assert office.submitted[0]["why"]["text"]["value"] == "because the backlog is gone"


def test_a_pushed_modal_goes_back_to_what_was_entered(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    page.get_by_test_id("action-request").click()
    modal = page.get_by_test_id("modal")
    amount = modal.get_by_label("New amount")
    expect(amount).to_be_focused()
    amount.fill("52000")
    modal.get_by_label("From now on").check()
    page.get_by_test_id("action-deeper").click()
    expect(modal).to_contain_text("Object storage")
    page.keyboard.press("Escape")
    expect(amount).to_have_value("52000")
    expect(modal.get_by_label("From now on")).to_be_checked()
    modal.get_by_role("button", name="Who should know?").click()
    page.get_by_test_id("picker-search").fill("tom")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(modal).to_be_visible()
    page.get_by_test_id("modal-submit").click()
    expect(modal).to_have_count(0)
    values = office.submitted[0]
    assert values["amount"]["it"]["value"] == "52000"
    assert values["scope"]["it"]["selected_option"]["value"] == "From now on"
    assert values["who"]["it"]["selected_users"] == ["U0TOM"]


def test_escape_closes_a_modal_and_the_app_hears_of_it(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    page.get_by_test_id("action-request").click()
    expect(page.get_by_test_id("modal")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("modal")).to_have_count(0)
    assert office.closed.wait(20)
    expect(page.get_by_test_id("action-request")).to_be_focused()


def test_the_focus_stays_inside_a_modal(open_page: Opener) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    page.get_by_test_id("action-request").click()
    expect(page.get_by_test_id("modal")).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.modal') !== null")


def test_the_home_tab_and_about(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/home")
    expect(page.get_by_test_id("home")).to_contain_text("One decision waits for you")
    page.get_by_test_id("tab-about").click()
    expect(page.get_by_test_id("about")).to_contain_text("/steward")
    page.get_by_test_id("tab-messages").click()
    expect(page.get_by_test_id("messages")).to_contain_text("Ticket triage asks")
    page.get_by_test_id("tab-home").click()
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": "Nothing waits."}}]
    office.client.views_publish(user_id="U0MAYA", view={"type": "home", "blocks": blocks})
    expect(page.get_by_test_id("home")).to_have_text("Nothing waits.")


def test_everything_by_keyboard(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0LANE")
    page.keyboard.press("Control+k")
    page.keyboard.type("triage")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("action-reject")).to_be_visible()
    page.get_by_test_id("composer").focus()
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.dataset.actionId") == "reject":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("modal")).to_be_visible()
    page.keyboard.type("because it can wait")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("modal")).to_have_count(0)
    assert office.submitted[0]["why"]["text"]["value"] == "because it can wait"
