"""A digest in a real browser: read and acted on in Slack's stand-in, and as a page in light, in dark and on paper."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bot.approvals.words import APPROVE
from bot.digests import messages, pages
from tests.budgets.conftest import days
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.digests.test_story import DIGESTS, SUNDAY, ask, digests, released
from tests.stories.office import OLA, TIM, Office, opened
from workflows.digests import service
from workflows.people import service as people

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Monday morning: Ola has got a digest in which a decision waits."""
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, policy=DIGESTS, at=SUNDAY, scale=0.5) as running:
        running.project("triage", "Ticket triage")
        running.costs(days(date(2026, 1, 1), 25, "45"))
        ask(running, running.sandbox.seat(TIM))
        released(running)
        yield running


def look(browser: Browser, office: Office, *, phone: bool) -> Page:
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
    context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(f"{office.sandbox.url}/#/{OLA}/{office.sandbox.seat(OLA).dm().id}")
    page.wait_for_selector("body.ready")
    return page


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_digest_is_read_and_acted_on(office: Office, browser: Browser, phone: bool) -> None:
    page = look(browser, office, phone=phone)
    (message,) = digests(office, OLA)
    shown = page.locator(f"[data-ts='{message.ts}']").first
    expect(shown).to_contain_text(
        "Week 4: Ticket triage went over budget and one decision waits for you."
    )
    picture = shown.locator("img[alt*='Ticket triage 112 %']")
    expect(picture).to_be_visible()
    page.wait_for_function("image => image.naturalWidth > 400", arg=picture.element_handle())
    too_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not too_wide
    shown.get_by_test_id(f"action-{messages.OPEN}").first.click()
    modal = page.get_by_test_id("modal")
    expect(modal).to_contain_text("Ticket triage: 1,125 of 1,000 EUR (112 %), over budget")
    page.keyboard.press("Escape")
    expect(modal).to_have_count(0)
    shown.get_by_test_id(f"action-{APPROVE}").click()
    expect(shown).to_contain_text("You approved")
    expect(shown.get_by_test_id(f"action-{APPROVE}")).to_have_count(0)
    expect(shown).to_contain_text(
        "Week 4: Ticket triage went over budget and one decision waits for you."
    )
    page.context.close()


def test_the_page_in_light_in_dark_and_on_paper(
    office: Office, browser: Browser, tmp_path: Path
) -> None:
    deps = office.bot.deps
    with office.db.read() as session:
        found = people.actor_by_slack_id(session, deps.team.org_key, OLA)
        assert found is not None
        record = service.load_last(
            make_context(session, actor=found[0], policy=deps.policy, now=office.now()), "weekly"
        )
    assert record is not None
    path = tmp_path / "digest.html"
    path.write_text(pages.html(record, organisation="Acme", reader="Ola"))
    grounds: dict[str, Any] = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 390, "height": 844},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(path.as_uri())
        expect(page.get_by_role("heading", level=1)).to_contain_text(
            "Week 4: Ticket triage went over budget"
        )
        image = page.locator("img").first
        page.wait_for_function("image => image.naturalWidth > 400", arg=image.element_handle())
        grounds[scheme] = (
            page.evaluate("getComputedStyle(document.body).backgroundColor"),
            image.evaluate("image => image.currentSrc"),
        )
        assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert all(url.startswith(("file:", "data:")) for url in asked)
        context.close()
    assert grounds["light"][0] != grounds["dark"][0]
    assert grounds["light"][1] != grounds["dark"][1], "the picture is drawn for the dark, too"
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(page.locator("details li").first).to_be_visible()
    assert len(page.pdf()) > 10_000
    context.close()


def test_nothing_in_a_page_comes_alive(office: Office, browser: Browser, tmp_path: Path) -> None:
    """Names from files are shown as they are, never run."""
    from storage.projects.tables import Project

    with office.db.begin(patient=True) as session:
        session.query(Project).update(
            {"name": "<script>window.bad=1</script><img src=x onerror=bad>"}
        )
    deps = office.bot.deps
    with office.db.read() as session:
        found = people.actor_by_slack_id(session, deps.team.org_key, OLA)
        assert found is not None
        record = service.preview_digest(
            make_context(session, actor=found[0], policy=deps.policy, now=office.now())
        )
    path = tmp_path / "digest.html"
    path.write_text(pages.html(record, organisation="<b>Acme</b>", reader="Ola"))
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("window.bad") is None
    assert page.locator("main img[src=x]").count() == 0
    expect(page.locator("h1")).to_contain_text("<script>window.bad=1</script>")
    page.close()
