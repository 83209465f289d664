"""Evidence with figures: files shared with the bot, groups compared, what drives the answers, and words for flags."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import installed
from storage.enums import EvidenceStatus
from tests.conftest import fresh_url
from tests.stories.office import FAY, FRED, GUS, OLA, TIM, Office, eventually, opened
from tests.stories.test_models import MODELS, Person, record, world
from tests.stories.test_road import verified
from workflows.evidence.records import Item
from workflows.inventory import permissions

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
SHAP = {
    "feature_names": ["income", "age"],
    "values": [[0.2, -0.1]],
    "base_values": 0.31,
    "data": [[52000, 31]],
    "names": ["applicant A"],
}


@pytest.fixture(params=["sqlite-http", "postgres-http", "sqlite-socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    kind, over = request.param.split("-")
    url = fresh_url(kind, request, tmp_path)
    with told(url, tmp_path, over=over) as running:
        yield running


@pytest.fixture
def counting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """An office whose policy lets rows of people be counted in Slack."""
    policy = f"{MODELS}\nevidence:\n  fairness: {{rows_in_slack: true, least: 2}}\n"
    with told(fresh_url("sqlite", request, tmp_path), tmp_path, policy=policy) as running:
        yield running


@contextmanager
def told(
    url: str, place: Path, *, policy: str = MODELS, over: str = "http", **more: Any
) -> Iterator[Office]:
    """An office with one model in its first version."""
    with opened(url, place, policy=policy, world=world(), over=over, **more) as running:
        running.project("ticket-triage", "Ticket triage")
        ola = Person(running, OLA)
        ola.ask("models")
        ola.press("models.register")
        assert ola.fill(
            name="Fraud score",
            purpose="Scores claims.",
            exposure="medium",
            purpose_class="decision_support",
            eu_class="minimal",
            project="ticket-triage",
        ).ok
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


def hand_in(office: Office, user: str, said: Any, type_: str | None = None, **values: Any) -> Any:
    """From the bot's answer to a file, through both windows."""
    person = Person(office, user)
    seat = person.seat
    assert seat.click(channel_id=seat.dm().id, ts=said.ts, action_id="models.shared").ok
    view = seat.modals()[-1]
    offered = seat.options(view.id, "models.pick_version", "fraud")
    assert [one["text"]["text"] for one in offered] == ["Fraud score 7 · In development"]
    assert seat.options(view.id, "models.pick_version", "horoscope") == []
    picked = {"type": "external_select", "selected_option": offered[0]}
    assert seat.click(view_id=view.id, action_id="models.pick_version", selected=picked).ok  # type: ignore[arg-type]
    if type_ is not None:
        assert seat.click(
            view_id=seat.modals()[-1].id, action_id="models.evidence_type", selected=type_
        ).ok
    return person.fill(**values)


def items(office: Office) -> dict[str, Item]:
    (version,) = record(office).versions
    with office.db.read() as session:
        return permissions.load_items(session, version.id)


def test_a_shared_file_becomes_evidence_that_is_looked_at(office: Office) -> None:
    said = share(office, TIM, "groups.json", json.dumps(UNFAIR).encode())
    assert said.text == "groups.json: which evidence is it?"
    assert "It counts groups of people by sex; mlgov compares them." in str(said.blocks)
    assert hand_in(office, TIM, said).ok
    drawn = Person(office, TIM).window()
    assert "women: 40 % of 100 selected · 0.60 of the highest · TPR 0.60, FPR 0.20" in drawn
    assert "⚠️ “women” is selected at 0.60 of the rate of “men”, under 0.8" in str(drawn).replace(
        "Women", "women"
    )
    assert "too few people to be judged (under 30): not said" in drawn.replace("Too", "too")
    said = share(office, TIM, "shap.json", json.dumps(SHAP).encode())
    assert "its answers are moved most by income (67 %) and age (33 %)" in str(said.blocks)
    assert hand_in(office, TIM, said).ok
    found = items(office)
    fairness, drivers = found["fairness_report"], found["explainability_report"]
    assert fairness.uri is not None
    assert fairness.uri.startswith("https://")
    assert fairness.flags[0] == "sex: “women” is selected at 0.60 of the rate of “men”, under 0.8"
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
        return [one for one in fay.seat.modals()[-1].as_json()["blocks"] if one["type"] == "image"]

    eventually(lambda: len(pictures()) == 2, "each with figures has its picture")
    shown = fay.seat.modals()[-1].as_json()["blocks"]
    assert "Share of people selected, by sex. men: 67 % of 90; women: 40 % of 100" in str(
        pictures()
    )
    assert "I looked at it, and what it says above is right" in str(shown)
    boxes = {
        one["block_id"]: {"pick": ["yes"]} for one in shown if one["block_id"].startswith("pick:")
    }
    refused = fay.seat.submit(fay.seat.modals()[-1].id, boxes)
    assert (
        "Say in a sentence why it can be accepted all the same. Flagged: sex:"
        in refused.errors["word"]
    )
    word = {"word": {"word": "Women applied for other posts; by post it is even."}}
    assert fay.seat.submit(fay.seat.modals()[-1].id, boxes | word).ok
    office.settle()
    accepted = items(office)["fairness_report"]
    assert (accepted.status, accepted.word) == (
        EvidenceStatus.ACCEPTED,
        "Women applied for other posts; by post it is even.",
    )
    assert verified(office)


def test_rows_of_people_are_not_taken_in_slack(office: Office) -> None:
    rows = b"name,sex,truth,prediction\nAnn,f,1,1\n"
    said = share(office, TIM, "people.csv", rows)
    refused = hand_in(office, TIM, said, "fairness_report")
    assert "Rows of people are not taken here." in refused.errors["type"]
    assert "mlgov fairness FILE" in refused.errors["type"]
    assert "fairness_report" not in items(office)
    again = hand_in(office, TIM, said, "data_lineage_and_quality", summary="As told")
    assert again.ok, "as a document, by its digest, it is taken"
    found = items(office)["data_lineage_and_quality"]
    assert found.content == {"digest_of": "file"}
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


def put(office: Office, user: str, type_: str, name: str, data: bytes, **values: Any) -> Any:
    """Hand in a file from the window of evidence itself."""
    person = Person(office, user)
    person.ask("model fraud-score")
    person.pick("evidence")
    view = person.seat.modals()[-1]
    assert person.seat.click(view_id=view.id, action_id="models.evidence_type", selected=type_).ok
    return person.fill(file=[person.seat.upload(name, data)], **values)


def received(office: Office, user: str, number: int = 1) -> Any:
    """The newest message of the direct conversation that has a file, once there are so many."""
    seat = office.sandbox.seat(user)

    def sent() -> list[Any]:
        return [one for one in seat.messages(seat.dm().id) if one.file_ids and one.bot_id]

    eventually(lambda: len(sent()) >= number, "the file comes")
    (file_id,) = sent()[-1].file_ids
    return sent()[-1], office.sandbox.world.files.find(file_id)


def test_a_file_put_into_the_window_is_read_and_others_can_have_it(office: Office) -> None:
    assert put(office, TIM, "fairness_report", "groups.json", json.dumps(UNFAIR).encode()).ok
    paper = b"%PDF-1.7 what we did about privacy"
    assert put(office, TIM, "privacy_impact_assessment", "pia.pdf", paper, summary="By legal").ok
    found = items(office)
    assert found["fairness_report"].fairness is not None
    pia = found["privacy_impact_assessment"]
    assert pia.sha256 == hashlib.sha256(paper).hexdigest()
    link = "https://wiki.test/lineage"
    assert put(office, TIM, "data_lineage_and_quality", "lineage.txt", b"from A", uri=link).ok
    assert items(office)["data_lineage_and_quality"].uri == link

    fred = Person(office, FRED)
    fred.ask("model fraud-score")
    fred.press("models.open")
    assert fred.seat.click(
        view_id=fred.seat.modals()[-1].id,
        action_id="models.file",
        block_id=_block(fred, str(pia.id)),
    ).ok
    assert "on its way" in fred.window()
    message, file = received(office, FRED)
    assert file.data == paper
    assert file.name == "privacy-impact-assessment.pdf"
    assert "as it was handed in by Tim" in message.text
    assert hashlib.sha256(paper).hexdigest()[:12] in message.text


def _block(person: Person, value: str, window: int = -1) -> str:
    """The block of a window whose button carries the value."""
    blocks = person.seat.modals()[window].as_json()["blocks"]
    return next(
        str(one["block_id"]) for one in blocks if (one.get("accessory") or {}).get("value") == value
    )


def test_a_file_that_is_another_one_by_now_is_not_sent(office: Office) -> None:
    put(office, TIM, "datasheet", "sheet.txt", b"as it was", summary="S")
    item = items(office)["datasheet"]
    world_ = office.sandbox.world
    next(one for one in world_.files.all() if one.name == "sheet.txt").data = b"changed"
    fred = Person(office, FRED)
    fred.ask("model fraud-score")
    fred.press("models.open")
    assert fred.seat.click(
        view_id=fred.seat.modals()[-1].id,
        action_id="models.file",
        block_id=_block(fred, str(item.id)),
    ).ok
    dm = fred.seat.dm().id
    eventually(lambda: "its digest is another one" in str(fred.seat.messages(dm)), "it says so")
    world_.files.delete_all()
    assert fred.seat.click(
        view_id=fred.seat.modals()[0].id,
        action_id="models.file",
        block_id=_block(fred, str(item.id), 0),
    ).ok
    eventually(
        lambda: (
            "The datasheet cannot be had: Slack doesn't show it to mlgov any more. Its digest stays on the record; ask Tim for it."
            in str(fred.seat.messages(dm))
        ),
        "it says who has it",
    )
    assert not [one for one in fred.seat.messages(dm) if one.file_ids]


def test_the_card_and_the_pack_come_as_files(office: Office) -> None:
    tim = Person(office, TIM)
    assert put(office, TIM, "fairness_report", "groups.json", json.dumps(UNFAIR).encode()).ok
    tim.hand_in("performance_report", metrics="accuracy = 0.91 >= 0.85")
    tim.ask("model fraud-score")
    tim.pick("card")
    view = tim.seat.modals()[-1].id
    assert (
        "• women: people 100 · selected 0.400 · of the highest 0.600 · TPR 0.600 · FPR 0.200"
        in tim.window()
    )
    assert "• not said: people too few to be judged" in tim.window()
    assert "• accuracy: value 0.91 · threshold 0.85 · met" in tim.window()
    assert tim.seat.click(view_id=view, action_id="models.send_card").ok
    message, file = received(office, TIM)
    assert file.name == "fraud-score-7-card.html"
    assert message.text == "The model card of Fraud score 7, as of now."
    assert b"<!doctype html>" in file.data.lower()
    assert tim.seat.click(view_id=view, action_id="models.send_pack").ok
    _, file = received(office, TIM, 2)
    assert file.name == "fraud-score-7-pack.html"
    assert b"NIST AI RMF" in file.data

    office.sandbox.installation.faults.withhold_scope("files:write")
    assert tim.seat.click(view_id=view, action_id="models.send_card").ok
    dm = tim.seat.dm().id
    eventually(lambda: "files:write" in str(tim.seat.messages(dm)), "it says what is missing")


ROWS = "name,sex,truth,score\n" + "".join(
    f"P{place},{sex},{truth},{score}\n"
    for place, (sex, truth, score) in enumerate(
        [("f", 1, 0.9), ("f", 0, 0.2), ("f", 1, 0.1), ("m", 1, 0.8), ("m", 0, 0.7), ("m", 1, 0.9)]
    )
)  # fmt: skip


def test_where_the_policy_says_so_rows_are_counted_and_not_kept(counting: Office) -> None:
    columns = {"truth": "truth", "prediction": "score", "group": "sex", "cut": "0.5"}
    refused = put(
        counting, TIM, "fairness_report", "people.csv", ROWS.encode(), **columns | {"truth": ""}
    )
    assert refused.errors == {"truth": "Which column holds what was true?"}
    refused = put(
        counting,
        TIM,
        "fairness_report",
        "people.csv",
        ROWS.encode(),
        **columns | {"group": "gender"},
    )
    assert "has no column 'gender'" in refused.errors["group"]
    assert put(counting, TIM, "fairness_report", "people.csv", ROWS.encode(), **columns).ok
    judged = items(counting)["fairness_report"].fairness
    assert judged is not None
    counts = {
        one.names: (one.tp, one.fp, one.fn, one.tn) for one in judged.counts.counted[0].groups
    }
    assert counts == {("f",): (1, 0, 1, 1), ("m",): (2, 1, 0, 0)}
    assert "P3" not in str(items(counting)["fairness_report"].content)

    said = share(counting, TIM, "people.csv", ROWS.encode())
    assert hand_in(counting, TIM, said, "fairness_report", **columns).ok, (
        "and from a direct message"
    )


def test_the_window_has_no_field_for_files_that_mlgov_may_not_read(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    app = installed.load_manifest()
    app["oauth_config"]["scopes"]["bot_optional"].remove("files:read")
    url = fresh_url("sqlite", request, tmp_path)
    with told(url, tmp_path, app_manifest=app) as office:
        ola = Person(office, OLA)
        ola.ask("model fraud-score")
        ola.pick("evidence")
        view = ola.seat.modals()[-1]
        assert ola.seat.click(
            view_id=view.id, action_id="models.evidence_type", selected="datasheet"
        ).ok
        assert "file_input" not in ola.window()
        assert "A link, on which its readers find it." in ola.window()


def test_a_link_into_slack_without_a_digest_stays_a_link(office: Office) -> None:
    link = "https://acme.slack.com/files/U0TIM/F0AAAAAAAA/notes.txt"
    Person(office, TIM).hand_in("datasheet", uri=link)
    fred = Person(office, FRED)
    fred.ask("model fraud-score")
    fred.press("models.open")
    assert f"<{link}|Datasheet>" in fred.window()
    assert "models.file" not in fred.window()


def test_who_may_not_hand_it_in_has_nothing_fetched(office: Office) -> None:
    office.sandbox.inspector.clear()
    refused = put(office, TIM, "validation_report", "v.txt", b"ok", summary="S", outcome="pass")
    assert list(refused.errors.values()) == [
        "The validation report is its validator's, who did not make it."
    ]
    assert office.sandbox.inspector.calls("files.info") == []
    assert "validation_report" not in items(office)
