"""A real, anonymised cloud bill walked to a decided approval, in a real browser."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bot.demo import organisation as org
from bot.demo.command import Demo
from tests.stories.office import eventually

pytestmark = [pytest.mark.slow, pytest.mark.browser]

OPENS = datetime(2024, 9, 30, 12, 0, tzinfo=UTC)
PROJECTS = (
    "key,name,owner,sponsor,manager,channel,accounts\n"
    f"ticket-triage,Ticket triage,{org.MAYA},{org.GRACE},{org.TOMAS},#ticket-triage,Atlas Orion\n"
    f"parts-demand,Parts demand,{org.SOFIA},{org.GRACE},{org.ELENA},#parts-demand,Orion Zenith; Pioneer Zenith\n"
)
BUDGETS = (
    "project,period,starts,amount,currency,basis,owner\n"
    f"ticket-triage,month,2024-09-01,10,USD,billed,{org.MAYA}\n"
    f"parts-demand,month,2024-09-01,50,USD,billed,{org.SOFIA}\n"
)


@pytest.fixture
def bill() -> Path:
    shared = Path(os.environ.get("MLGOV_SHARED", Path(__file__).parents[3] / "shared"))
    path = shared / "data" / "focus" / "aws_focus_1.0_942_rows.csv"
    if not path.exists():
        pytest.skip("the shared sample bills are not on this machine")
    return path


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(at=OPENS, empty=True, url=f"sqlite:///{tmp_path / 'walk.db'}")
    try:
        running.start()
        yield running
    finally:
        running.stop()


def mlgov(work: Path, *words: str) -> str:
    """The command as an administrator types it, in another terminal."""
    (work / "governance.yml").write_text(org.POLICY, encoding="utf-8")
    env = os.environ | {
        "MLGOV_DATABASE_URL": f"sqlite:///{work / 'walk.db'}",
        "MLGOV_POLICY": str(work / "governance.yml"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "bot.cli.main", *words],
        env=env,
        cwd=work,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def act_as(page: Page, name: str) -> None:
    page.get_by_test_id("acting").click()
    page.get_by_test_id("picker-search").fill(name)
    page.get_by_test_id("picker-option").first.click()
    expect(page.get_by_test_id("acting")).to_contain_text(name)


def test_from_a_real_bill_to_a_decided_approval(
    demo: Demo, bill: Path, tmp_path: Path, browser: Browser
) -> None:
    (tmp_path / "projects.csv").write_text(PROJECTS, encoding="utf-8")
    (tmp_path / "budgets.csv").write_text(BUDGETS, encoding="utf-8")
    mlgov(tmp_path, "import", "projects", "projects.csv")
    mlgov(tmp_path, "import", "budgets", "budgets.csv")
    told = mlgov(tmp_path, "import", "costs", str(bill))
    assert "18.0066386184 USD billed" in told or "alert: ticket-triage: 100 %" in told
    totals = json.loads(mlgov(tmp_path, "costs", "summary", "--basis", "billed", "--json"))
    assert totals["totals"] == {"USD": "18.0066386184"}
    assert "unchanged" in mlgov(tmp_path, "import", "costs", str(bill))
    maya = demo.sandbox.seat(org.MAYA)
    channel = next(c.id for c in maya.channels() if c.name == "ticket-triage")
    eventually(lambda: bool(maya.messages(channel)), "the alert is posted")

    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto(demo.url)
    act_as(page, "Tomás")
    page.get_by_test_id(f"channel-{channel}").click()
    alert = page.get_by_test_id("message").last
    expect(alert).to_contain_text("Ticket triage has used 136 % of September's budget")
    expect(alert).to_contain_text("13.62 of 10 USD billed cost")
    alert.get_by_test_id("action-budgets.increase").click()
    modal = page.get_by_test_id("modal")
    modal.locator("input[type=text], input:not([type])").first.fill("9")
    modal.locator("textarea").fill("The test drive ran a week longer")
    page.get_by_test_id("modal-submit").click()
    expect(page.get_by_test_id("field-error")).to_contain_text("not more than the 10")
    modal.locator("input[type=text], input:not([type])").first.fill("20")
    page.get_by_test_id("modal-submit").click()
    expect(modal).to_have_count(0)
    ids = {"Priya": org.PRIYA, "Maya": org.MAYA}
    for name, user_id in ids.items():
        act_as(page, name)
        dm = demo.sandbox.seat(user_id).dm().id
        page.goto(f"{demo.url}/#/{user_id}/{dm}")
        approve = page.locator("[data-testid='action-approvals.approve']:visible")
        approve.last.click()
        expect(approve).to_have_count(0, timeout=30000)
    page.get_by_test_id(f"channel-{channel}").click()
    expect(
        page.get_by_text("September's budget for Ticket triage is now 20 USD").first
    ).to_be_visible()
    if shots := os.environ.get("MLGOV_SCREENSHOTS"):
        page.screenshot(path=f"{shots}/real-bill.png")
    page.close()
    assert "20 USD" in str(maya.slash("/mlgov", "budget ticket-triage", channel).body)
