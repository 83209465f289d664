"""Pictures on the page: in messages, on the Home tab and in modals, at the width of a desktop and of a phone."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page import cards
from tests.page.conftest import Opener
from tests.page.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOADED = "(node) => node.complete && node.naturalWidth === 960"


def shown(scope: Any) -> Any:
    """The picture in a place, loaded, no wider than the place."""
    picture = scope.get_by_role("img", name="Spend by day")
    expect(picture).to_be_visible()
    picture.evaluate("(node) => node.decode()")
    assert picture.evaluate(LOADED)
    assert scope.evaluate("(node) => node.scrollWidth <= node.clientWidth + 1")
    return picture


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_picture_everywhere(open_page: Opener, office: Office, phone: bool) -> None:
    client = office.client
    answer = client.files_upload_v2(file=cards.png(), filename="spend.png")
    block = cards.image(answer["files"][0]["id"])
    url = {"url": answer["files"][0]["url_private"]}
    client.chat_postMessage(channel="C0RISK", text="x", blocks=[block])
    client.chat_postMessage(channel="C0RISK", text="x", blocks=[block | {"slack_file": url}])
    client.views_publish(user_id="U0MAYA", view={"type": "home", "blocks": [block]})

    page = open_page("#/U0MAYA/C0RISK", phone=phone)
    messages = page.get_by_test_id("message")
    shown(messages.last)
    expect(messages.last).to_contain_text("Ticket triage used 81 %")
    shown(messages.nth(-2))
    messages.nth(-2).get_by_test_id("enlarge").focus()
    page.keyboard.press("Enter")
    large = page.get_by_test_id("lightbox")
    shown(large)
    expect(large).to_contain_text("19 Jan 32,110 of 40,000 EUR")
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(messages.nth(-2).get_by_test_id("enlarge")).to_be_focused()

    page = open_page("#/U0MAYA/home", phone=phone)
    shown(page.get_by_test_id("home"))

    client.views_open(
        trigger_id=office.sandbox.installation.issue_trigger("U0MAYA"),
        view=cards.deeper() | {"blocks": [block]},
    )
    modal = page.get_by_test_id("modal")
    shown(modal)
    modal.get_by_test_id("enlarge").click()
    large = page.get_by_test_id("lightbox")
    shown(large)
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(modal).to_be_visible()


def test_a_picture_that_cannot_be_loaded_says_its_words(open_page: Opener, office: Office) -> None:
    answer = office.client.files_upload_v2(file=cards.png(), filename="spend.png")
    block = cards.image(answer["files"][0]["id"])
    office.client.chat_postMessage(channel="C0RISK", text="x", blocks=[block])
    office.world.files.delete_all()
    page = open_page("#/U0MAYA/C0RISK")
    message = page.get_by_test_id("message").last
    expect(message).to_contain_text("Spend by day: 19 Jan 32,110 of 40,000 EUR")
    expect(message.get_by_test_id("enlarge")).to_be_disabled()


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_dates_times_numbers_and_people(open_page: Opener, office: Office, phone: bool) -> None:
    office.app.view("when.form")(
        lambda ack, view: (office.submitted.append(view["state"]["values"]), ack())
    )
    page = open_page("#/U0MAYA/C0TRIAGE", phone=phone)

    def open_form() -> Any:
        office.client.views_open(
            trigger_id=office.sandbox.installation.issue_trigger("U0MAYA"), view=cards.when_form()
        )
        modal = page.get_by_test_id("modal")
        expect(modal).to_be_visible()
        return modal

    modal = open_form()
    expect(modal.get_by_label("New date")).to_have_value("2026-02-16")
    expect(modal.get_by_label("Remind me at")).to_have_value("09:00")
    expect(modal.get_by_label("Snooze until")).to_have_value("2026-01-28T09:00")
    expect(modal.get_by_role("button", name="New owner")).to_contain_text("Tom Okafor")
    page.get_by_test_id("modal-submit").click()
    expect(modal).to_have_count(0)
    first = {name: held["it"] for name, held in office.submitted[0].items()}
    assert first["day"] == {"type": "datepicker", "selected_date": "2026-02-16"}
    assert first["time"]["selected_time"] == "09:00"
    assert first["until"]["selected_date_time"] == cards.WEDNESDAY
    assert first["days"]["value"] == "3"
    assert first["who"]["selected_user"] == "U0TOM"

    modal = open_form()
    day = modal.get_by_label("New date")
    day.focus()
    for key in ("0", "3", "0", "2", "2", "0", "2", "6"):
        page.keyboard.press(key)
    modal.get_by_label("Snooze until").fill("2026-02-01T08:30")
    days = modal.get_by_label("Days of slack")
    days.fill("31")
    modal.get_by_role("button", name="New owner").click()
    page.get_by_test_id("picker-search").fill("aiko")
    page.keyboard.press("Enter")
    page.get_by_test_id("modal-submit").click()
    expect(page.get_by_test_id("field-error")).to_contain_text("at most 30")
    days.fill("30")
    page.get_by_test_id("modal-submit").click()
    expect(modal).to_have_count(0)
    then = {name: held["it"] for name, held in office.submitted[1].items()}
    assert then["day"]["selected_date"] in ("2026-03-02", "2026-02-03")
    assert then["until"]["selected_date_time"] == cards.WEDNESDAY + 4 * 86_400 - 1800
    assert then["days"]["value"] == "30"
    assert then["who"]["selected_user"] == "U0AIKO"
