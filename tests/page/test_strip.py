"""The strip, the inspector, and the door of the page's own API."""

import re
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from sandbox.page_api import Go, Step, Strip
from tests.page.conftest import Opener
from tests.page.office import AT, Office


@pytest.mark.browser
@pytest.mark.slow
def test_moving_the_clock_tells_what_fell_due(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0GENERAL")
    expect(page.get_by_test_id("clock-now")).to_contain_text("Mon 26 Jan 2026, 08:50 GMT")
    page.get_by_test_id("clock-hour").click()
    expect(page.get_by_test_id("strip-result")).to_contain_text("Nothing fell due")
    expect(page.get_by_test_id("clock-now")).to_contain_text("09:50")
    page.get_by_test_id("clock-day").click()
    result = page.get_by_test_id("strip-result")
    expect(result).to_contain_text("1 thing fell due: 1 new message.")
    result.get_by_text("#proj-ticket-triage").click()
    expect(page.get_by_test_id("messages")).to_contain_text("Two hours are left")
    page.get_by_test_id("clock-date").click()
    page.get_by_test_id("clock-input").fill("2026-02-16T09:00")
    page.get_by_test_id("clock-set").click()
    expect(page.get_by_test_id("clock-now")).to_contain_text("Mon 16 Feb 2026, 09:00")
    assert office.clock.now().date().isoformat() == "2026-02-16"


@pytest.mark.browser
@pytest.mark.slow
def test_the_story_leads_and_its_actions_answer(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0TOM/C0LANE")
    page.get_by_test_id("show-me").click()
    expect(page).to_have_url(re.compile("#/U0MAYA/C0TRIAGE$"))
    expect(page.locator(f'[data-ts="{office.card}"]')).to_be_in_viewport()
    page.get_by_test_id("step-home").click()
    page.get_by_test_id("show-me").click()
    expect(page.get_by_test_id("home")).to_be_visible()
    page.get_by_test_id("strip-action-verify").click()
    expect(page.get_by_test_id("strip-result")).to_contain_text("214 entries verified")
    page.get_by_test_id("strip-action-break").click()
    expect(page.get_by_test_id("strip-result")).to_have_class(re.compile("bad"))
    page.get_by_test_id("strip-toggle").click()
    expect(page.get_by_test_id("show-me")).to_have_count(0)


@pytest.mark.browser
@pytest.mark.slow
def test_the_inspector_shows_requests_both_ways(open_page: Opener) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    page.get_by_test_id("inspect").click()
    page.get_by_test_id("action-approve").click()
    click = page.get_by_test_id("request").filter(has_text="block_actions")
    expect(click).to_contain_text("→ app")
    expect(page.get_by_test_id("request").filter(has_text="chat.update")).to_contain_text("← app")
    click.get_by_role("button").click()
    expect(click).to_contain_text('"action_id": "approve"')
    expect(click).to_contain_text("[redacted]")


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_comes_back_when_the_sandbox_does(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0TOM/C0TRIAGE")
    expect(page.get_by_test_id("action-approve")).to_be_visible()
    port = urlsplit(office.sandbox.url).port
    office.sandbox.stop()
    expect(page.get_by_text("The sandbox does not answer. Trying again…")).to_be_visible()
    again = Office(port=port or 0)
    try:
        expect(page.get_by_test_id("action-approve")).to_have_count(0)
        again.sandbox.seat("U0MAYA").say("C0TRIAGE", "Back again")
        expect(page.get_by_test_id("messages")).to_contain_text("Back again")
        expect(page).to_have_url(re.compile("#/U0TOM/C0TRIAGE$"))
        page.close()
    finally:
        again.stop()


def test_only_its_own_page_may_ask(office: Office) -> None:
    url = office.sandbox.url
    read = {"user": "U0MAYA", "channel": "C0TRIAGE"}

    def ask(**headers: str) -> int:
        headers = {"content-type": "application/json", **headers}
        return httpx.post(f"{url}/sandbox/read", json=read, headers=headers).status_code

    assert ask() == 200
    assert ask(origin=url) == 200
    assert ask(origin="https://evil.test") == 403
    assert ask(host="evil.test") == 421
    assert ask(**{"content-type": "text/plain"}) == 415
    page = httpx.get(url)
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    assert '<script type="module" src=' in page.text
    assert not re.search(r"<script(?![^>]*src=)|style=|\son\w+=|https?://", page.text)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("say", {"user": "U0MAYA", "channel": "C0OLD", "text": "hm"}, 409),
        ("say", {"user": "U0NOBODY", "channel": "C0TRIAGE", "text": "hm"}, 404),
        ("say", {"user": "U0MAYA"}, 400),
        ("join", {"user": "U0GUS", "channel": "C0PLANTS"}, 409),
        ("join", {"user": "U0MAYA", "channel": "C0PLANTS"}, 200),
        ("clock", {"seconds": -5}, 409),
        ("clock", {"to": "yesterday"}, 400),
        ("clock", {"to": AT.isoformat()}, 409),
        (
            "click",
            {
                "user": "U0MAYA",
                "channel": "C0TRIAGE",
                "ts": "1.1",
                "action_id": "approve",
                "type": "button",
                "fields": {},
            },
            409,
        ),
        ("strip/actions/none", {}, 409),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    office: Office, path: str, body: dict[str, object], status: int
) -> None:
    answer = httpx.post(f"{office.sandbox.url}/sandbox/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["error"]


def test_a_strip_refuses_two_steps_with_one_id() -> None:
    step = Step("one", "One", "…", lambda: False)
    with pytest.raises(ValueError, match="same id"):
        Strip("A story", [step, step], Go("U0MAYA", "C0TRIAGE"))


def test_a_step_that_cannot_answer_is_not_done(office: Office) -> None:
    def fails() -> bool:
        raise RuntimeError("no database")

    office.sandbox.strip = Strip(
        "A story", [Step("one", "One", "…", fails, lambda: None)], Go("U0MAYA", "C0TRIAGE")
    )
    story = httpx.get(f"{office.sandbox.url}/sandbox/strip").json()
    assert story["steps"][0]["done"] is False
    assert story["steps"][0]["go"] is None


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_that_is_opened_too_early_opens_by_itself(open_page: Opener, office: Office) -> None:
    page = open_page("#/U0MAYA/C0TRIAGE")
    office.sandbox.prepares = "The story <so far> is being told."
    page.reload()
    expect(page.get_by_role("status")).to_have_text("The story <so far> is being told.")
    office.sandbox.prepares = ""
    expect(page.get_by_test_id("composer")).to_be_visible()
    assert page.url.endswith("#/U0MAYA/C0TRIAGE")
