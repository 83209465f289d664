"""Evidence with figures: files shared with the bot, groups compared, what drives the answers, and words for flags."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.enums import EvidenceStatus
from tests.conftest import fresh_url
from tests.stories.office import FAY, GUS, OLA, TIM, Office, eventually, opened
from tests.stories.test_models import MODELS, Person, record, world
from tests.stories.test_road import verified
from workflows.evidence.records import Item
from workflows.inventory import standings

UNFAIR = {
    "counts": {
        "counted": [
            {
                "columns": ["sex"],
                "groups": [
                    {"names": ["women"], "tp": 30, "fp": 10, "fn": 20, "tn": 40},
                    {"names": ["men"], "tp": 48, "fp": 12, "fn": 12, "tn": 18},
                ],
                "small": [["not said"]],
            }
        ]
    }
}
SHAP = {"feature_names": ["income", "age"], "values": [[0.2, -0.1]], "base_values": 0.31, "data": [[52000, 31]], "names": ["applicant A"]}  # fmt: skip


@pytest.fixture(params=["sqlite-http", "postgres-http", "sqlite-socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    kind, over = request.param.split("-")
    url = fresh_url(kind, request, tmp_path)
    with opened(url, tmp_path, policy=MODELS, world=world(), over=over) as running:
        running.project("ticket-triage", "Ticket triage")
        ola = Person(running, OLA)
        ola.ask("models")
        ola.press("models.register")
        assert ola.fill(name="Fraud score", purpose="Scores claims.", exposure="medium", purpose_class="decision_support", eu_class="minimal", project="ticket-triage").ok  # fmt: skip
        ola.ask("model fraud-score")
        ola.pick("version")
        assert ola.fill(version="7", developers=TIM, digest="a" * 64).ok
        yield running


def share(office: Office, user: str, name: str, data: bytes) -> Any:
    """A file in the direct conversation with the bot; its answer there."""
    seat = office.sandbox.seat(user)
    sent = seat.share(seat.dm().id, name, data)

    def answer() -> list[Any]:
        return [one for one in seat.messages(seat.dm().id) if one.ts > sent.ts]

    eventually(lambda: bool(answer()), "the bot says what it read")
    return answer()[-1]


def hand_in(office: Office, user: str, said: Any, type_: str | None = None, **values: Any) -> Any:  # fmt: skip
    """From the bot's answer to a file, through both windows."""
    person = Person(office, user)
    seat = person.seat
    assert seat.click(channel_id=seat.dm().id, ts=said.ts, action_id="models.shared").ok
    view = seat.modals()[-1]
    offered = seat.options(view.id, "models.pick_version", "fraud")
    assert [one["text"]["text"] for one in offered] == ["Fraud score 7 · In development"]  # fmt: skip
    assert seat.options(view.id, "models.pick_version", "horoscope") == []
    picked = {"type": "external_select", "selected_option": offered[0]}
    assert seat.click(
        view_id=view.id, action_id="models.pick_version", selected=picked
    ).ok  # type: ignore[arg-type]
    if type_ is not None:
        assert seat.click(view_id=seat.modals()[-1].id, action_id="models.evidence_type", selected=type_).ok  # fmt: skip
    return person.fill(**values)


def items(office: Office) -> dict[str, Item]:
    (version,) = record(office).versions
    with office.db.read() as session:
        return standings.items_of(session, version.id)


def test_a_shared_file_becomes_evidence_that_is_looked_at(office: Office) -> None:
    said = share(office, TIM, "groups.json", json.dumps(UNFAIR).encode())
    assert said.text == "groups.json: which evidence is it?"
    assert "It counts groups of people by sex; mlgov compares them." in str(said.blocks)
    assert hand_in(office, TIM, said).ok
    drawn = Person(office, TIM).window()
    assert "women: 40 % of 100 selected · 0.60 of the highest · TPR 0.60, FPR 0.20" in drawn  # fmt: skip
    assert "⚠️ “women” is selected at 0.60 of the rate of “men”, under 0.8" in str(drawn).replace("Women", "women")  # fmt: skip
    assert "too few people to be judged (under 30): not said" in drawn.replace("Too", "too")  # fmt: skip
    said = share(office, TIM, "shap.json", json.dumps(SHAP).encode())
    assert "its answers are moved most by income (67 %) and age (33 %)" in str(said.blocks)  # fmt: skip
    assert hand_in(office, TIM, said).ok
    found = items(office)
    fairness, drivers = found["fairness_report"], found["explainability_report"]
    assert fairness.uri is not None
    assert fairness.uri.startswith("https://")
    assert fairness.flags[0] == "sex: “women” is selected at 0.60 of the rate of “men”, under 0.8"  # fmt: skip
    assert drivers.explained is not None

    tim, fay = Person(office, TIM), Person(office, FAY)
    for type_ in ("model_card", "datasheet", "data_lineage_and_quality"):
        tim.hand_in(type_)
    tim.hand_in("performance_report", metrics="accuracy = 0.91 >= 0.85")
    tim.ask("model fraud-score")
    tim.press("models.step")
    assert tim.fill(validator=FAY).ok
    fay.ask("model fraud-score")
    fay.press("models.step_look")

    def pictures() -> list[Any]:
        return [one for one in fay.seat.modals()[-1].as_json()["blocks"] if one["type"] == "image"]  # fmt: skip

    eventually(lambda: len(pictures()) == 2, "each with figures has its picture")
    shown = fay.seat.modals()[-1].as_json()["blocks"]
    assert "Share of people selected, by sex. men: 67 % of 90; women: 40 % of 100" in str(pictures())  # fmt: skip
    assert "I looked at it, and what it says above is right" in str(shown)
    boxes = {one["block_id"]: {"pick": ["yes"]} for one in shown if one["block_id"].startswith("pick:")}  # fmt: skip
    refused = fay.seat.submit(fay.seat.modals()[-1].id, boxes)
    assert "Say in a sentence why it can be accepted all the same. Flagged: sex:" in refused.errors["word"]  # fmt: skip
    word = {"word": {"word": "Women applied for other posts; by post it is even."}}
    assert fay.seat.submit(fay.seat.modals()[-1].id, boxes | word).ok
    office.settle()
    accepted = items(office)["fairness_report"]
    assert (accepted.status, accepted.word) == (EvidenceStatus.ACCEPTED, "Women applied for other posts; by post it is even.")  # fmt: skip
    assert verified(office)


def test_rows_of_people_are_not_taken_in_slack(office: Office) -> None:
    rows = b"name,sex,truth,prediction\nAnn,f,1,1\n"
    said = share(office, TIM, "people.csv", rows)
    refused = hand_in(office, TIM, said, "fairness_report")
    assert "Rows of people are not taken in Slack." in refused.errors["type"]
    assert "mlgov fairness FILE" in refused.errors["type"]
    assert "fairness_report" not in items(office)
    again = hand_in(office, TIM, said, "data_lineage_and_quality", summary="As told")
    assert again.ok, "as a document, by its digest, it is taken"
    found = items(office)["data_lineage_and_quality"]
    assert found.content == {}
    assert found.sha256 is not None


def test_files_that_cannot_be_taken_say_why(office: Office) -> None:
    gus = share(office, GUS, "x.pdf", b"%PDF")
    assert "models.shared" not in str(gus.blocks)
    large = share(office, TIM, "large.bin", b"x" * 10_000_001)
    assert "large.bin is larger than 10 MB" in large.text
    assert "mlgov model evidence" in large.text
    office.sandbox.installation.faults.withhold_scope("files:read")
    unread = share(office, TIM, "x.pdf", b"%PDF")
    assert "files:read" in unread.text
