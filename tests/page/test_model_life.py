"""A model in a real browser, by the people who answer for it: from a registered version to a suspended one."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from storage.enums import ModelState
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, Office, eventually, opened
from tests.stories.test_evidence import UNFAIR
from tests.stories.test_models import MODELS, record, world
from tests.stories.test_road import verified

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
CHANNEL = "C0TRIAGE"


@pytest.fixture
def office(sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    url = f"sqlite:///{tmp_path / 'page.db'}"
    made = world()
    for channel in made["channels"]:
        if channel["id"] == CHANNEL:
            channel["members"] = sorted({*channel["members"], ADA, FAY, OLA, TIM})
    with opened(url, tmp_path, policy=MODELS, world=made) as running:
        running.project("ticket-triage", "Ticket triage")
        yield running


class Desk:
    """One browser, at which one person after another sits down."""

    def __init__(self, page: Page, office: Office) -> None:
        self.page, self.office, self.user = page, office, ""
        self.shots = os.environ.get("MLGOV_SCREENSHOTS")

    def sit(self, user: str, place: str = CHANNEL) -> None:
        self.user = user
        self.page.goto(f"{self.office.sandbox.url}/#/{user}/{place}")
        self.page.reload()
        self.page.wait_for_selector("body.ready")

    def type(self, words: str) -> Locator:
        """A command; its answer, which only this person sees."""
        answers = self.page.get_by_test_id("ephemeral")
        before = len(self.office.sandbox.seat(self.user).ephemerals(CHANNEL))
        expect(answers).to_have_count(before)
        box = self.page.get_by_test_id("composer")
        box.fill(words)
        self.page.keyboard.press("Escape")
        box.press("Enter")
        expect(answers).to_have_count(before + 1)
        return answers.last

    def press(self, action: str) -> None:
        self.page.locator(f"[data-testid='action-{action}']:visible").last.click()

    def pick(self, action: str, words: str) -> None:
        """An option of a menu, found by typing."""
        self.press(action)
        self.page.get_by_test_id("picker-search").fill(words)
        option = self.page.get_by_test_id("picker-option").filter(has_text=words).first
        option.click()

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.modal.get_by_test_id(f"action-{name}").fill(value)

    def send(self, said: str = "") -> None:
        self.page.get_by_test_id("modal-submit").click()
        expect(self.modal).to_contain_text(said)

    @property
    def modal(self) -> Locator:
        return self.page.get_by_test_id("modal")

    def close(self) -> None:
        self.page.get_by_test_id("modal-close").click()
        expect(self.modal).to_have_count(0)

    def more(self, what: str) -> None:
        """Something of the menu of the model's card."""
        self.type("/mlgov model fraud-score")
        self.pick("models.more", what)
        expect(self.modal).to_be_visible()

    def hand_in(self, type_: str, **values: str) -> None:
        self.more("Hand in evidence")
        self.pick("models.evidence_type", type_)
        expect(self.modal.get_by_test_id("action-summary")).to_be_visible()
        self.fill(summary=f"About the {type_.lower()}", **values)
        self.send("Handed in")
        self.close()

    def step(self) -> None:
        """The next step, as the card offers it."""
        self.type("/mlgov model fraud-score")
        self.press("models.step")
        expect(self.modal).to_be_visible()

    def shot(self, name: str) -> None:
        if self.shots:
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=f"{self.shots}/model-{name}.png")


def test_from_a_registered_version_to_a_suspended_one(
    office: Office, browser: Any, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    desk = Desk(page, office)

    desk.sit(OLA)
    desk.type("/mlgov models")
    desk.press("models.register")
    desk.fill(name="Fraud score", purpose="Ranks claims for a person to look at.")
    desk.pick("models.pick_project", "Ticket triage")
    desk.pick("exposure", "Medium")
    desk.pick("purpose_class", "a person decides")
    desk.pick("eu_class", "Minimal")
    desk.shot("1-register")
    desk.send("Registered.")
    desk.close()
    desk.more("Add a version")
    desk.fill(version="7", digest="sha256:" + "a" * 64)
    desk.pick("developers", "Tim")
    desk.send("It is in development.")
    desk.close()

    desk.sit(TIM)
    desk.hand_in("Model card")
    desk.hand_in("Datasheet")
    desk.hand_in("Data lineage")
    desk.hand_in("Performance", metrics="accuracy = 0.91 >= 0.85")
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps(UNFAIR))
    dm = office.sandbox.seat(TIM).dm().id
    desk.sit(TIM, dm)
    page.get_by_test_id("file").set_input_files(str(groups))
    expect(page.get_by_text("It counts groups of people by sex").first).to_be_visible()
    desk.press("models.shared")
    desk.pick("models.pick_version", "Fraud score 7")
    expect(desk.modal).to_contain_text("Fairness report")
    desk.send("Handed in: fairness report.")
    desk.shot("2-fairness")
    desk.close()
    desk.sit(TIM)
    desk.hand_in("Explainability")
    paper = tmp_path / "security.pdf"
    paper.write_bytes(b"%PDF-1.7 threat model")
    desk.more("Hand in evidence")
    desk.pick("models.evidence_type", "Security")
    page.get_by_test_id("file-file").set_input_files(str(paper))
    expect(desk.modal).to_contain_text("security.pdf")
    page.get_by_label("Remove security.pdf").click()
    expect(desk.modal).not_to_contain_text("security.pdf")
    page.get_by_test_id("file-file").set_input_files(str(paper))
    expect(desk.modal).to_contain_text("security.pdf")
    desk.shot("2b-file")
    desk.send("Handed in: security assessment.")
    desk.close()
    desk.step()
    desk.pick("validator", "Fay")
    desk.send("sent to validation")
    desk.close()

    desk.sit(FAY)
    desk.more("Hand in evidence")
    desk.pick("models.evidence_type", "Validation report")
    desk.pick("outcome", "It passed")
    page.get_by_test_id("modal-submit").click()
    expect(desk.modal.get_by_test_id("field-error")).to_contain_text("say in words what it shows")
    desk.fill(summary="Rebuilt from the notebook; it holds.")
    desk.send("Handed in")
    desk.close()
    desk.type("/mlgov model fraud-score")
    desk.press("models.step_look")
    expect(desk.modal.locator("img").first).to_be_visible()
    for box in desk.modal.get_by_label("I looked at it").all():
        box.check()
    desk.shot("3-look")
    desk.modal.get_by_label("Send me the security assessment").click()
    expect(desk.modal).to_contain_text("It is on its way")
    desk.shot("3b-sent")
    page.get_by_test_id("modal-back").click()
    expect(desk.modal.get_by_label("I looked at it").first).to_be_checked()
    page.get_by_test_id("modal-submit").click()
    expect(desk.modal.get_by_test_id("field-error")).to_contain_text(
        "why it can be accepted all the same"
    )
    desk.fill(word="Women applied for other posts; by post it is even.")
    desk.send("items accepted.")
    desk.close()
    desk.step()
    desk.fill(reason="It holds on the night shift, too.")
    desk.send("Asked: request #1 waits for Model risk")
    desk.close()

    desk.sit(FAY, office.sandbox.seat(FAY).dm().id)
    sent = page.get_by_test_id("file-card").last
    expect(sent).to_contain_text("security-assessment.pdf")
    desk.shot("3c-received")
    with page.expect_download() as download:
        sent.click()
    assert Path(download.value.path()).read_bytes() == paper.read_bytes()

    desk.sit(FRED, office.sandbox.seat(FRED).dm().id)
    expect(page.get_by_test_id("message").last).to_contain_text(
        "(tier 2, 8 items of evidence, 1 flagged)"
    )
    desk.shot("4-approve")
    desk.press("approvals.approve")
    eventually(lambda: _state(office) is ModelState.APPROVED, "it is approved")

    desk.sit(ADA)
    for type_ in ("Human oversight", "Rollback", "Deployment", "Cost estimate"):
        desk.hand_in(type_)
    desk.hand_in("Monitoring plan", metrics="accuracy >= 0.85 every 7")
    desk.step()
    desk.send("being implemented")
    desk.close()
    desk.step()
    desk.fill(reason="It answers in eu-west.")
    desk.send("the other one is asked now")
    desk.close()
    desk.sit(OLA)
    desk.step()
    desk.fill(reason="I saw it score a claim.")
    desk.send("Fraud score 7:")
    desk.close()
    eventually(lambda: _state(office) is ModelState.IN_USE, "it is in use")

    desk.sit(ADA)
    desk.more("Suspend")
    expect(desk.modal).to_contain_text("by you alone")
    desk.fill(reason="It rejects everybody from Leeds.")
    desk.shot("5-suspend")
    desk.send("Fraud score 7: suspended.")
    desk.shot("6-suspended")
    desk.close()
    office.settle()
    expect(page.get_by_test_id("message").last).to_contain_text("Fraud score 7: suspended")
    expect(page.get_by_test_id("message").last).to_contain_text("No other model takes its output.")
    expect(page.get_by_test_id("message").last).to_contain_text("It rejects everybody from Leeds.")
    desk.shot("7-channel")
    assert _state(office) is ModelState.SUSPENDED
    assert verified(office)
    assert errors == []
    context.close()


def _state(office: Office) -> ModelState:
    return record(office).state
