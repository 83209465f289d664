"""The fields of the windows of models: what each is called, and inputs that several windows have."""

from collections.abc import Mapping
from typing import TypeVar

from bot import blocks
from bot.blocks import Block, Element
from bot.interactions import ask
from bot.inventory import words
from workflows.evidence.forms import WORDS
from workflows.inventory.forms import RegisterModel

SUBMIT_REGISTER = "models.submit_register"
SUBMIT_DESCRIBE = "models.submit_describe"
SUBMIT_ASSESS = "models.submit_assess"
SUBMIT_VERSION = "models.submit_version"
SUBMIT_STEP = "models.submit_step"
SUBMIT_EVIDENCE = "models.submit_evidence"
SUBMIT_LOOK = "models.submit_look"
SUBMIT_WAIVE = "models.submit_waive"
SUBMIT_FINDING = "models.submit_finding"
SUBMIT_SETTLE = "models.submit_settle"
SUBMIT_REVIEW = "models.submit_review"
SUBMIT_CLASSIFY = "models.submit_classify"

NAME = "name"
KIND = "kind"
VENDOR = "vendor"
PROJECT = "project"
OWNER = "owner"
PURPOSE = "purpose"
INTENDED = "intended_use"
SCOPE = "out_of_scope"
TECHNIQUE = "technique"
DATA = "data_sources"
PEOPLE = "affects_people"
UPSTREAM = "upstream"
EXPOSURE = "exposure"
USE = "purpose_class"
EU = "eu_class"
TIER = "override"
REASON = "reason"
VERSION = "version"
DIGEST = "digest"
DEVELOPER = "developers"
BASE = "base"
PROMPT = "prompt"
TOOLS = "tools"
VALIDATOR = "validator"
CHANGE = "change_class"
NEW = "new_version"
FILE = "file"
TRUTH = "truth"
PREDICTION = "prediction"
GROUPS = "group"
POSITIVE = "positive"
CUT = "cut"
TYPE = "type"
URI = "uri"
SUMMARY = "summary"
METRICS = "metrics"
OUTCOME = "outcome"
UNTIL = "until"
VERDICT = "verdict"
PICK = "pick"
WORD = "word"
SEVERITY = "severity"
DUE = "due"
HOW = "how"

E = TypeVar("E", bound=object)


def menu(
    action: str, texts: Mapping[E, str], initial: E | None = None, placeholder: str = "Pick one"
) -> Element:
    options = [blocks.option(text, str(value)) for value, text in texts.items()]
    chosen = next(
        (one for one in options if initial is not None and one["value"] == str(initial)), None
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
    menu = blocks.search_select(words.PICK_PROJECT, placeholder="Pick a project", initial=initial)
    return ask(RegisterModel, "project", menu)
