"""The demo as a newcomer meets it, in a real browser: five clicks, each with its effect."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bot.demo import organisation as org
from bot.demo.command import Demo, NotOurs
from storage import migrate, runtime
from storage.db import Database
from tests.conftest import fresh_url

OPENS = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Demo]:
    url = None
    if request.param == "postgres":
        url = fresh_url("postgres", request, tmp_path)
        database = Database(url)
        with database.begin() as session:
            runtime.set_made_by(session, "demo")
        database.close()
    running = Demo(at=OPENS, url=url)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def show_me(page: Page, place: str) -> None:
    """Press Show me for the step that leads there; the strip turns to a step when the one before is ticked."""
    for _ in range(20):
        page.get_by_test_id("show-me").first.click()
        page.wait_for_timeout(250)
        if place in page.url:
            return
    raise AssertionError(f"the story never led to {place}; it is at {page.url}")


@pytest.mark.slow
@pytest.mark.browser
def test_five_clicks_show_a_newcomer_what_it_is(demo: Demo, browser: Browser) -> None:
    page: Page = browser.new_page(viewport={"width": 1280, "height": 860})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(demo.url)
    decide = page.locator("[data-testid='action-approvals.approve']:visible").last
    # The story begins at the card; nobody has to look for it.
    expect(decide).to_be_in_viewport()
    decide.click()
    expect(page.get_by_test_id("step-approve")).to_have_attribute(
        "data-done", "true", timeout=30000
    )
    channel = next(c.id for c in demo.sandbox.world.channels.values() if c.name == "ticket-triage")
    show_me(page, channel)
    expect(
        page.get_by_text("January's budget for Ticket triage is now 52,000 EUR").first
    ).to_be_visible()
    expect(page.get_by_test_id("step-copies")).to_have_attribute("data-done", "true", timeout=30000)
    show_me(page, org.TOMAS)
    expect(page.get_by_test_id("acting")).to_contain_text("Tomás")
    page.get_by_test_id("clock-day").click()
    expect(page.get_by_test_id("step-clock")).to_have_attribute("data-done", "true", timeout=30000)
    # A day passes for everybody: New York had its morning, though the clock stands at its night.
    expect(page.locator("[data-testid='clock-day'].waiting")).to_have_count(0, timeout=30000)
    elena = demo.sandbox.seat(org.ELENA)
    assert "Prototype shown to care team" in str(elena.messages(elena.dm().id))
    page.get_by_test_id("strip-action-verify").click()
    expect(page.get_by_test_id("strip-result")).to_contain_text("The ledger holds")
    page.get_by_test_id("strip-action-tamper").click()
    expect(page.get_by_test_id("strip-result")).to_contain_text("behind mlgov's back")
    page.get_by_test_id("strip-action-verify").click()
    expect(page.get_by_test_id("strip-result")).to_contain_text("was changed")
    assert problems == []
    page.close()


@pytest.mark.slow
def test_the_story_holds_what_it_promises(demo: Demo) -> None:
    seat = demo.sandbox.seat(org.DANIEL)
    admin = next(c.id for c in seat.channels() if c.name == "mlgov-admin")
    assert "battery-health" in str(seat.messages(admin)[-1].blocks) or "is_archived" in str(
        seat.messages(admin)[-1].blocks
    )
    guest = demo.sandbox.seat(org.LUCAS)
    assert any("guests can't use mlgov" in item.text for item in guest.ephemerals())
    maya = demo.sandbox.seat(org.MAYA)
    card = maya.messages(maya.dm().id)[-1]
    assert "40,000 → 52,000 EUR" in card.text
    # Only the past was told in a hurry.
    assert demo.sandbox.installation.limits is not None
    assert demo.running.deps.settings.mlgov_time_scale == 1.0


@pytest.mark.slow
def test_a_database_that_it_did_not_make_is_left_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'real.db'}")
    migrate.upgrade(database)
    database.close()
    demo = Demo(at=OPENS, url=f"sqlite:///{tmp_path / 'real.db'}")
    try:
        with pytest.raises(NotOurs, match="did not make this database"):
            demo.start()
    finally:
        demo.stop()


@pytest.mark.slow
def test_an_empty_demo_has_nobody_governed_yet() -> None:
    demo = Demo(at=OPENS, empty=True)
    try:
        demo.start()
        seat = demo.sandbox.seat(org.MAYA)
        assert "own, sponsor or manage no project" in str(
            seat.slash("/mlgov", "status", seat.dm().id).body
        )
    finally:
        demo.stop()


@pytest.mark.slow
def test_what_falls_due_says_its_own_time(demo: Demo) -> None:
    """The strip's clock goes from one instant at which something falls due to the next."""
    opened = demo.clock.now()
    demo.pass_time(timedelta(days=1))
    daniel = demo.sandbox.seat(org.DANIEL)
    times = [
        datetime.fromtimestamp(float(message.ts), UTC)
        for channel in daniel.channels()
        for message in daniel.messages(channel.id)
        if float(message.ts) > opened.timestamp()
    ]
    nine = OPENS.replace(hour=9, minute=0)
    assert any(nine <= time < nine + timedelta(minutes=5) for time in times), times
