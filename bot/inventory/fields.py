"""The fields of the windows of models: what each is called, and inputs that several windows have."""

from collections.abc import Mapping
from typing import TypeVar

from bot import blocks
from bot.blocks import Block, Element
from bot.inventory import words
from workflows.evidence.forms import WORDS

(
    SUBMIT_REGISTER, SUBMIT_DESCRIBE, SUBMIT_ASSESS, SUBMIT_VERSION, SUBMIT_STEP, SUBMIT_EVIDENCE, SUBMIT_LOOK, SUBMIT_WAIVE,
    SUBMIT_FINDING, SUBMIT_SETTLE, SUBMIT_REVIEW, SUBMIT_CLASSIFY,
) = (
    f"models.submit_{one}"
    for one in (
        "register", "describe", "assess", "version", "step", "evidence", "look", "waive", "finding", "settle", "review", "classify",
    )
)  # fmt: skip
NAME, KIND, VENDOR, PROJECT, OWNER, PURPOSE = (
    "name",
    "kind",
    "vendor",
    "project",
    "owner",
    "purpose",
)
INTENDED, SCOPE, TECHNIQUE, DATA, PEOPLE, UPSTREAM = (
    "intended_use",
    "out_of_scope",
    "technique",
    "data_sources",
    "affects_people",
    "upstream",
)
EXPOSURE, USE, EU, TIER, REASON = (
    "exposure",
    "purpose_class",
    "eu_class",
    "override",
    "reason",
)
VERSION, DIGEST, DEVELOPER, BASE, PROMPT, TOOLS = (
    "version",
    "digest",
    "developers",
    "base",
    "prompt",
    "tools",
)
VALIDATOR, CHANGE, NEW = ("validator", "change_class", "new_version")
FILE, TRUTH, PREDICTION, GROUPS, POSITIVE, CUT = (
    "file",
    "truth",
    "prediction",
    "group",
    "positive",
    "cut",
)
TYPE, URI, SUMMARY, METRICS, OUTCOME, UNTIL = (
    "type",
    "uri",
    "summary",
    "metrics",
    "outcome",
    "until",
)
VERDICT, PICK, WORD, SEVERITY, DUE, HOW = (
    "verdict",
    "pick",
    "word",
    "severity",
    "due",
    "how",
)

E = TypeVar("E", bound=object)


def menu(
    action: str,
    texts: Mapping[E, str],
    initial: E | None = None,
    placeholder: str = "Pick one",
) -> Element:
    options = [blocks.option(text, str(value)) for value, text in texts.items()]
    chosen = next(
        (
            one
            for one in options
            if initial is not None and one["value"] == str(initial)
        ),
        None,
    )
    return blocks.select(action, options, placeholder=placeholder, initial=chosen)


def text(
    label: str,
    block: str,
    *,
    initial: str = "",
    hint: str = "",
    multiline: bool = True,
    optional: bool = True,
    most: int = WORDS,
) -> Block:
    return blocks.input_(
        label,
        blocks.text_input(block, multiline=multiline, initial=initial, max_length=most),
        block_id=block,
        hint=hint,
        optional=optional,
    )


def project(chosen: tuple[str, str] | None) -> Block:
    """The project, looked up; `chosen` is the key and name of the one that it has."""
    initial = blocks.option(chosen[1], chosen[0]) if chosen else None
    menu = blocks.searched(
        words.PICK_PROJECT, placeholder="Pick a project", initial=initial
    )
    return blocks.input_("Project", menu, block_id=PROJECT, optional=True)
