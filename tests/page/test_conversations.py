"""Conversations on the page: switching people, cards, threads, what only one person sees."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Opener
from tests.page.office import HOSTILE, Office
from tests.stories.office import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_it_opens_where_the_story_starts_and_survives_a_reload(open_page: Opener) -> None:
    page = open_page()
    expect(page.get_by_test_id("channel-C0TRIAGE")).to_have_attribute("aria-current", "page")
    expect(page.get_by_test_id("acting")).to_contain_text("Maya Lindqvist")
    expect(page.get_by_test_id("acting")).to_contain_text("Head of Applied ML · 08:50")
    page.get_by_test_id("channel-C0GENERAL").click()
    expect(page).to_have_url(re.compile("#/U0MAYA/C0GENERAL$"))
    page.reload()
    expect(page.get_by_test_id("messages")).to_contain_text("labelling backlog")


def test_acting_as_somebody_else_shows_their_slack(open_page: Opener) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    expect(page.get_by_test_id("messages")).to_contain_text("by Jan 28, 2026 at 09:00")
    page.get_by_test_id("acting").click()
    page.get_by_test_id("picker-search").fill("okafor")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/U0TOM/C0TRIAGE$"))
    # The deadline is read in New York, with the twelve hours of the Americas.
    expect(page.get_by_test_id("messages")).to_contain_text("at 4:00 AM")
    expect(page.get_by_test_id("channel-C0RISK")).to_have_count(0)
    page.goto(page.url.replace("U0TOM/C0TRIAGE", "U0TOM/C0RISK"))
    expect(page.get_by_test_id("missing")).to_contain_text("Tom Okafor is not in this conversation")


def test_unread_marks_come_and_go(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    lane = page.get_by_test_id("channel-C0LANE")
    expect(lane).to_have_class(re.compile("unread"))
    lane.click()
    expect(page.get_by_test_id("new-line")).to_be_visible()
    expect(lane).not_to_have_class(re.compile("unread"))
    office.sandbox.seat("U0TOM").say("C0GENERAL", "<@U0MAYA> look")
    expect(page.get_by_test_id("channel-C0GENERAL").get_by_test_id("unread-count")).to_have_text(
        "2"
    )


def test_a_click_changes_the_card_for_everybody_without_a_reload(
    open_page: Opener, office: Office
) -> None:
    mine, theirs = open_page("#/U0MAYA/C0TRIAGE"), open_page("#/U0TOM/C0TRIAGE")
    expect(theirs.get_by_test_id("action-approve")).to_be_visible()
    mine.get_by_test_id("action-approve").click()
    for page in (mine, theirs):
        expect(page.get_by_test_id("messages")).to_contain_text("Approved · January's budget")
        expect(page.get_by_test_id("action-approve")).to_have_count(0)
    assert office.approved.is_set()
    expect(mine.get_by_test_id("step-approve")).to_have_attribute("data-done", "true")
    expect(mine.get_by_test_id("step-title")).to_contain_text("See it as the requester")


def test_only_one_person_sees_an_ephemeral_message(open_page: Opener) -> None:
    page, other = open_page("#/U0MAYA/C0TRIAGE"), open_page("#/U0TOM/C0TRIAGE")
    page.get_by_test_id("action-acknowledge").click()
    shown = page.get_by_test_id("ephemeral")
    expect(shown).to_contain_text("Only visible to you")
    expect(shown).to_contain_text("nobody else is told")
    assert other.get_by_test_id("ephemeral").count() == 0
    shown.get_by_text("Dismiss").click()
    expect(shown).to_have_count(0)


def test_a_thread_opens_beside_the_conversation(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0TOM/C0TRIAGE")
    page.get_by_test_id("thread-link").click()
    thread = page.get_by_test_id("thread-messages")
    expect(thread).to_contain_text("one question on the GPU type")
    page.get_by_test_id("thread-composer").fill("Thanks, <both> of you")
    page.keyboard.press("Enter")
    expect(thread).to_contain_text("Thanks, <both> of you")
    expect(page.get_by_test_id("thread-link")).to_contain_text("3 replies")
    assert office.sandbox.seat("U0TOM").replies("C0TRIAGE", office.card)[-1].text == (
        "Thanks, &lt;both&gt; of you"
    )
    page.get_by_test_id("close-thread").click()
    expect(page.get_by_test_id("thread")).to_be_hidden()


def test_hostile_text_is_only_text(open_page: Opener) -> None:
    page = open_page("#/U0MAYA/C0GENERAL")
    name = page.locator(".message-name", has_text="<script>")
    expect(name).to_have_text(HOSTILE)
    assert page.evaluate("window.pwned") is None
    assert page.locator("#messages script").count() == 0
    page.get_by_test_id("channel-C0RISK").click()
    expect(page.get_by_test_id("messages")).to_contain_text("bad link")
    hrefs = page.eval_on_selector_all("#messages a", "all => all.map(a => a.href)")
    assert hrefs
    assert not [href for href in hrefs if href.startswith("javascript")]


def test_marks_blocks_and_elements_are_drawn(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0RISK")
    last = page.get_by_test_id("block-section").last
    for tag, words in {"strong": "bold", "em": "italic", "s": "gone", "code": "code"}.items():
        expect(last.locator(tag).first).to_have_text(words)
    expect(last).to_contain_text("3 < 4 && a_b_c 2*3*4")
    expect(page.get_by_test_id("block-markdown").locator("td").first).to_have_text("Chatbot")
    page.get_by_test_id("channel-C0LANE").click()
    _pick(page, "Choose a tier", "High")
    _until_the_app_heard(office, "High")
    _pick(page, "Select a person", "Aiko")
    _until_the_app_heard(office, "High", "U0AIKO")
    _pick(page, "Search services", "gpu", "gpu 2")
    page.get_by_label("Partly").check()
    expect(page.get_by_test_id("block-table").locator("td").nth(1)).to_have_text("21,400")
    expect(page.get_by_role("img", name="Spend by day")).to_be_visible()
    _until_the_app_heard(office, "High", "U0AIKO", "Partly")


def _until_the_app_heard(office: Office, *choices: str) -> None:
    def heard() -> list[str]:
        return [
            action.get("selected_option", {}).get("value") or action.get("selected_user")
            for action in office.picked
        ]

    eventually(lambda: heard() == list(choices), f"{choices} was chosen; {heard()}", 20)


def _pick(page: Any, label: str, query: str, option: str | None = None) -> None:
    page.get_by_role("button", name=label).click()
    page.get_by_test_id("picker-search").fill(query)
    choice = page.get_by_test_id("picker-option").filter(has_text=option or query)
    choice.first.click()


def test_a_confirmation_can_be_declined(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    before = len(office.sandbox.inspector.calls("block_actions"))
    page.get_by_test_id("action-quiet").click()
    expect(page.get_by_test_id("confirm")).to_contain_text("Mute this alert?")
    page.get_by_test_id("confirm-deny").click()
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    assert len(office.sandbox.inspector.calls("block_actions")) == before
    page.get_by_test_id("action-quiet").click()
    page.get_by_test_id("confirm-yes").click()
    # Nothing listens to it, and Slack would say so.
    expect(page.get_by_test_id("element-trouble")).to_be_visible()


def test_slash_commands_are_offered_with_their_hints(open_page: Opener) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    composer = page.get_by_test_id("composer")
    composer.fill("/st")
    expect(page.get_by_test_id("suggestion").first).to_contain_text("status | request | card")
    page.keyboard.press("Tab")
    expect(composer).to_have_value("/steward ")
    expect(page.get_by_test_id("usage-hint")).to_contain_text("status | request | card")
    composer.press_sequentially("status")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("ephemeral")).to_contain_text("Nothing waits for you.")
    composer.fill("/nonsense")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("ephemeral").last).to_contain_text("Slackbot")
    expect(page.get_by_test_id("ephemeral").last).to_contain_text("not a valid command")
    composer.fill("/steward-broken ")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("ephemeral").last).to_contain_text("dispatch_failed")


def test_a_phone_shows_one_pane_at_a_time(open_page: Opener) -> None:
    page = open_page("#/U0MAYA", phone=True)
    expect(page.get_by_test_id("composer")).to_have_count(0)
    page.get_by_test_id("channel-C0GENERAL").click()
    expect(page.get_by_test_id("composer")).to_be_visible()
    expect(page.get_by_test_id("channel-C0GENERAL")).to_be_hidden()
    for place in ("C0GENERAL", "C0LANE", "C0RISK", "home", "about"):
        page.goto(re.sub("#.*", f"#/U0MAYA/{place}", page.url))
        page.wait_for_timeout(120)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate("document.querySelector('#scroller').scrollWidth") <= 390
    page.goto(re.sub("#.*", "#/U0MAYA/C0TRIAGE", page.url))
    page.get_by_test_id("thread-link").click()
    expect(page.get_by_test_id("thread-composer")).to_be_visible()
    expect(page.get_by_test_id("composer")).to_be_hidden()
    page.get_by_role("button", name="Back to the conversation").click()
    page.get_by_test_id("back").click()
    expect(page.get_by_test_id("channel-C0GENERAL")).to_be_visible()


def test_a_reaction_is_shown_to_everybody_and_taken_back(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0GENERAL")
    tom = office.sandbox.seat("U0TOM")
    ts = tom.say("C0GENERAL", "Done with the recall.").ts
    message = page.locator(f'[data-ts="{ts}"]')
    message.hover()
    message.get_by_test_id("add-reaction").click()
    page.get_by_role("menuitem").filter(has_text="thumbsup").click()
    pressed = message.get_by_test_id("reaction-thumbsup")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    tom.react("C0GENERAL", ts, "thumbsup")
    expect(pressed).to_have_text("👍2")
    pressed.click()
    expect(pressed).to_have_attribute("aria-pressed", "false")
    expect(pressed).to_have_text("👍1")
    found = office.world.messages.find("C0GENERAL", ts)
    assert found is not None
    assert found.reactions == {"thumbsup": ("U0TOM",)}
