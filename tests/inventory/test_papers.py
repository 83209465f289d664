"""The model card and the approval pack: everything is there, what is missing is said, and an auditor can check it."""

import hashlib
import json
import re

import pytest

from bot.inventory import documents
from storage import ledger
from storage.enums import Severity
from tests.contexts import make_context
from tests.inventory.conftest import DEV, OLA, OPS, RISK, TODAY, VAL, Yard
from workflows.context import OPERATOR
from workflows.errors import InvalidInput
from workflows.evidence.fairness import Counts
from workflows.evidence.forms import TITLES, CardText
from workflows.inventory import evidence
from workflows.packs import service as packs
from workflows.packs.records import Pack
from workflows.sources import model_cards as files

CARD = """\
---
license: apache-2.0
---
# Fraud score

Something before any section.

## Model Description
A gradient boosted tree.

## Uses
### Direct Use
Ranks claims.
### Out-of-Scope Use
Never rejects anybody.

## Bias, Risks, and Limitations
<script>alert(1)</script> It is worse abroad. [look](javascript:alert(1))

## Training Details
### Training Data
Claims of 2019 to 2024.

## Evaluation
#### Testing Data
Claims of 2025.
#### Metrics
Precision.
### Results
0.88.

## Glossary
[More Information Needed]
"""


def test_a_card_file_is_told_apart_into_its_sections() -> None:
    found = files.read(CARD.encode())
    assert set(found) == {
        "details",
        "intended_use",
        "ethics",
        "training_data",
        "evaluation_data",
        "metrics",
        "analyses",
    }
    assert "Something before any section." in found["details"]
    assert found["details"].endswith("A gradient boosted tree.")
    assert (
        found["intended_use"]
        == "**Direct Use**\n\nRanks claims.\n\n**Out-of-Scope Use**\n\nNever rejects anybody."
    )
    assert found["analyses"] == "**Results**\n\n0.88."
    assert CardText.model_validate(found).missing == ("Factors", "Caveats and recommendations")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"just words", "none of a model card's headings"),
        (b"## Intended use\n\n[More Information Needed]\n", "none of a model card's headings"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"x" * 1_000_001, "is larger than a model card is"),
    ],
)
def test_what_is_no_card_says_so(data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        files.read(data)
    assert said in refused.value.sentence


def test_the_card_is_made_from_the_record_and_says_what_is_missing(yard: Yard) -> None:
    model = yard.model(
        technique="Gradient boosting", data_sources=("claims",), purpose="Ranks claims."
    )
    version = yard.version(model)
    bare = evidence.build_card(yard.seen(OLA, model, version), yard.policy, TODAY)
    assert [one.title for one in bare.sections] == list(TITLES.values())
    assert bare.missing == (
        "Factors",
        "Metrics",
        "Evaluation data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    )
    yard.hand_in(
        DEV, version, "model_card", card=CardText.model_validate(files.read(CARD.encode()))
    )
    yard.hand_in(DEV, version, "performance_report")
    yard.waive(RISK, version, "datasheet")
    yard.find(RISK, model, Severity.LOW, version)
    card = evidence.build_card(yard.seen(OLA, model, version), yard.policy, TODAY)
    assert card.missing == ("Factors",)
    html = documents.card_html(card, organisation="Acme <b>", today=TODAY)
    assert "Missing: Factors." in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert 'href="javascript' not in html
    assert "Acme &lt;b&gt;" in html
    assert "It is wrong at night." in html
    assert "Waived: datasheet" in html
    markdown = documents.card_markdown(card, organisation="Acme", today=TODAY)
    assert "## 9." not in markdown
    assert "*Missing: nobody said this yet.*" in markdown
    assert "| accuracy | 0.91 | 0.85 | met |" in markdown
    again = files.read(markdown.encode())
    assert set(TITLES) - set(again) == {"factors"}, "what it writes it reads"


def _pack(yard: Yard, version: int) -> Pack:
    with yard.db.read() as session:
        return packs.make_pack(
            make_context(session, actor=OPERATOR, policy=yard.policy, now=yard.now), version
        )


@pytest.mark.slow
def test_a_pack_holds_what_an_auditor_asks(yard: Yard) -> None:
    yard.model("claims", name="Claims <i>")
    model = yard.model(tier=1, upstream=("claims",))
    version = yard.in_validation(model)
    counts = Counts.model_validate(
        {
            "counted": [
                {
                    "columns": ["sex"],
                    "groups": [
                        {"names": ["f"], "tp": 30, "fp": 10, "fn": 20, "tn": 40},
                        {"names": ["m"], "tp": 48, "fp": 12, "fn": 12, "tn": 18},
                    ],
                }
            ]
        }
    )
    first = yard.hand_in(DEV, version, "fairness_report", fairness=counts)
    yard.decide_evidence(VAL, first, accept=False, word="Too small a sample.")
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    request = yard.ask(VAL, version)
    yard.decide(RISK, request)
    yard.decide("spo", request)
    yard.find(RISK, model, Severity.LOW, version)
    pack = _pack(yard, version)
    subject = pack.subject
    assert (subject.state, subject.contents, subject.digest) == (
        "approved",
        "as approved",
        f"sha256:{'a' * 64}",
    )
    assert (subject.developers, subject.validators, subject.owner) == (("Dev",), ("Val",), "Ola")
    assert pack.lineage.upstream == ("Claims <i>",)
    assert pack.tier.tier == 1
    rejected = next(one for one in pack.evidence if one.id == first)
    assert (rejected.counts, rejected.status, rejected.word) == (
        False,
        "rejected",
        "Too small a sample.",
    )
    assert len([one for one in pack.evidence if one.counts]) == len(pack.evidence) - 1
    (asked,) = pack.requests
    assert [(one.by, one.verdict, one.rule) for one in asked.votes] == [
        ("Risk", "approve", "role:model_risk"),
        ("Spo", "approve", "subject.sponsor"),
    ]
    assert asked.votes[0].group
    assert asked.votes[0].membership_read_at
    assert asked.told["model.tier"] == 1
    assert [one.text for one in pack.policies] == [yard.text]
    assert [one.words for one in pack.findings] == ["It is wrong at night."]
    assert [(one.step, one.by) for one in pack.steps] == [
        ("start", "Ola"),
        ("submit", "Dev"),
        ("pass", "Val"),
        ("approve", "Spo"),
    ]
    assert all(one.evidence_sha256 for one in pack.steps if one.step in ("submit", "pass"))
    assert {"GOVERN 1.6", "MEASURE 2.11", "MANAGE 2.4"} <= {
        one.nist.split(":")[0] for one in pack.crosswalk
    }


def test_the_ledger_in_a_pack_can_be_checked_by_itself(yard: Yard) -> None:
    version = yard.approved(yard.model())
    pack = _pack(yard, version)
    assert len(pack.ledger.entries) > 10
    for entry in pack.ledger.entries:
        assert ledger.link(entry.previous, entry.body) == entry.hash
    actions = {entry.action for entry in pack.ledger.entries}
    assert {"model.registered", "evidence.submitted", "evidence.accepted"} <= actions
    with yard.db.read() as session:
        assert ledger.head(session).hash == pack.ledger.head_hash


@pytest.mark.slow
def test_the_page_stands_alone_and_holds_its_json(yard: Yard) -> None:
    model = yard.model(purpose="</script><script>alert(1)</script>")
    version = yard.approved(model)
    yard.complete(version, "implementation")
    yard.step(OPS, version, "implement")
    pack = _pack(yard, version)
    html = documents.pack_html(pack)
    assert "alert(1)</script>" not in html.replace("&lt;/script&gt;", "")
    assert "default-src 'none'" in html
    assert not re.search(r'(src|href)="(?!data:)', html), "nothing is loaded from elsewhere"
    held = re.search(r'<script type="application/json" id="pack">(.*?)</script>', html, re.DOTALL)
    assert held is not None
    assert Pack.model_validate(json.loads(held[1])) == pack
    assert hashlib.sha256(held[1].encode()).hexdigest() in html
    assert "Approved by Risk" in html
    assert "role:model_risk through " in html
    assert "Missing for retirement: decommission plan." in html


def test_a_version_that_nobody_approved_says_so(yard: Yard) -> None:
    version = yard.version(yard.model())
    html = documents.pack_html(_pack(yard, version))
    assert "Nobody approved it." in html
    assert "Nobody was asked to approve this version." in html
    assert "No evidence was handed in." in html
