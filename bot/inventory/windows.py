"""The windows in which models are registered, described, assessed and moved on. Pure."""

from collections.abc import Sequence
from typing import Any

from bot import blocks
from bot.blocks import Block
from bot.interactions import ask, ask_person
from bot.inventory import fields, words
from storage.enums import ModelKind
from workflows.evidence.forms import CARD, WORDS
from workflows.inputs import inputs_of
from workflows.inventory import rules
from workflows.inventory.forms import AddVersion, AssessTier, Generative, RegisterModel, TakeStep
from workflows.inventory.records import ModelCard, ModelRecord
from workflows.inventory.rules import Guard, Move
from workflows.registry.records import Found


def register(
    *,
    name: str = "",
    purpose: str = "",
    owner: str | None = None,
    chosen: tuple[str, str] | None = None,
    metadata: str = "",
) -> Block:
    """A new entry: what somebody knows on the first day; the rest is described later."""
    shown = [
        ask(RegisterModel, "name", initial=name),
        ask(
            RegisterModel,
            "kind",
            fields.menu(fields.KIND, words.KINDS, ModelKind.INTERNAL),
            optional=False,
        ),
        ask(RegisterModel, "vendor"),
        fields.project(chosen),
        ask_person(RegisterModel, "owner_id", owner),
        ask(RegisterModel, "purpose", initial=purpose, optional=False),
        *_assessed(None),
    ]
    return blocks.modal(
        "Register a model",
        shown,
        callback_id=fields.SUBMIT_REGISTER,
        submit="Register",
        metadata=metadata,
    )


def _assessed(model: ModelRecord | None) -> list[Block]:
    form = AssessTier if model else RegisterModel
    exposure = ask(
        form,
        "exposure",
        fields.menu(fields.EXPOSURE, words.EXPOSURES, model.exposure if model else None),
    )
    if model is None:
        exposure["hint"]["text"] += " You can say it later; development starts once it is said."
    purpose_class, eu_class = (model.purpose_class, model.eu_class) if model else (None, None)
    return [
        exposure,
        ask(form, "purpose_class", fields.menu(fields.USE, words.PURPOSES, purpose_class)),
        ask(form, "eu_class", fields.menu(fields.EU, words.EU, eu_class)),
    ]


def describe(found: ModelCard, taken: Sequence[tuple[str, str]], metadata: str) -> Block:
    """Everything that describes a model, filled in as it stands, and where it says nothing, from the team's own card.

    `taken` are key and name of the models whose output it takes.
    """
    model = found.model
    held = found.evidence.get(CARD)
    card = held.card if held else None
    upstream = blocks.multi_search_select(
        words.PICK_UPSTREAM,
        placeholder=inputs_of(RegisterModel)["upstream"].placeholder,
        initial=[blocks.option(name, key) for key, name in taken],
    )
    shown = [
        ask(RegisterModel, "name", initial=model.name, hint=""),
        ask(
            RegisterModel, "kind", fields.menu(fields.KIND, words.KINDS, model.kind), optional=False
        ),
        ask(RegisterModel, "vendor", initial=model.vendor or "", hint=""),
        fields.project(
            (model.project_key, model.project or model.project_key) if model.project_key else None
        ),
        ask_person(RegisterModel, "owner_id", model.owner.slack_id if model.owner else None),
        ask(RegisterModel, "purpose", initial=model.purpose, hint="", optional=False),
        ask(
            RegisterModel,
            "intended_use",
            initial=model.intended_use or (card.intended_use[:WORDS] if card else ""),
        ),
        ask(RegisterModel, "out_of_scope", initial=model.out_of_scope),
        ask(RegisterModel, "technique", initial=model.technique),
        ask(RegisterModel, "data_sources", initial=", ".join(model.data_sources)),
        ask(
            RegisterModel,
            "affects_people",
            fields.menu(
                fields.PEOPLE,
                {"no": "No", "yes": "Yes: it asks for fairness evidence"},
                "yes" if model.affects_people else "no",
            ),
            optional=False,
        ),
        ask(RegisterModel, "upstream", upstream),
    ]
    return blocks.modal(
        "Describe it", shown, callback_id=fields.SUBMIT_DESCRIBE, submit="Keep", metadata=metadata
    )


def assess(model: ModelRecord, *, can_risk: bool, metadata: str) -> Block:
    """How material a model is; model risk can set another tier."""
    shown = [
        blocks.section(f"*{words.model_name(model, None)}* · {words.tier(model)}"),
        *_assessed(model),
    ]
    if can_risk:
        shown += [
            ask(AssessTier, "override", fields.menu(fields.TIER, _TIERS)),
            ask(AssessTier, "reason"),
        ]
    return blocks.modal(
        "Assess its tier",
        shown,
        callback_id=fields.SUBMIT_ASSESS,
        submit="Assess",
        metadata=metadata,
    )


_TIERS = {"1": "Tier 1, the most material", "2": "Tier 2", "3": "Tier 3"}


def version(
    model: ModelRecord, *, maker: str | None, metadata: str, seen: Found | None = None
) -> Block:
    """A new version, prefilled from the registry (`seen` is its newest that is not here yet), or from the last one."""
    last = model.versions[0] if model.versions else None
    name = seen.version if seen else _next(last.version) if last else "1"
    shown = [
        blocks.section(
            f"*{words.model_name(model, None)}*"
            + (f" · the last version is {blocks.escape(last.version, 40)}" if last else "")
        ),
        ask(
            AddVersion,
            "version",
            initial=name,
            hint="The newest in the registry that is not here yet." if seen else "",
        ),
        ask_person(AddVersion, "developers", maker),
        ask(
            AddVersion,
            "digest",
            initial=f"sha256:{seen.digest}" if seen and seen.digest else "",
        ),
    ]
    if model.kind is ModelKind.GENERATIVE:
        about = last.about if last else {}
        tools = ", ".join(str(tool) for tool in about.get("tools", ()))  # type: ignore[attr-defined]
        shown += [
            ask(Generative, "model", initial=str(about.get("model", ""))),
            fields.text("The prompt", fields.PROMPT, hint="Only its digest is kept."),
            ask(Generative, "tools", initial=tools),
        ]
    return blocks.modal(
        "Add a version", shown, callback_id=fields.SUBMIT_VERSION, submit="Add", metadata=metadata
    )


def _next(name: str) -> str:
    head, dot, tail = name.rpartition(".")
    return f"{head}{dot}{int(tail) + 1}" if tail.isascii() and tail.isdigit() else ""


_WHY: dict[str, dict[str, Any]] = {
    rules.PASS: {"label": "Why can it be approved?", "hint": "Approvers read it first."},
    "return": {"label": "What has to change?", "hint": "The developers read it."},
    rules.DEPLOY: {"label": "How do you know that it runs?", "hint": "A place, a check, a link."},
    rules.SUSPEND: {
        "label": "What is wrong?",
        "hint": "It is told in the channel, and to who owns what depends on it.",
    },
    rules.RETIRE: {"label": "Why is it retired?", "hint": ""},
    rules.CHANGE: {"label": "What changes, and why?", "hint": ""},
    "resume": {"label": "Why can it go on?", "hint": ""},
}


def step(found: ModelCard, move: Move, *, route: str = "", metadata: str = "") -> Block:
    """A step about to be taken: what it does, who else it needs, and what it asks."""
    model, version_ = found.model, found.version
    told = f"*{words.model_name(model, version_)}* · {words.STATES[move.source]} → {words.STATES[move.target]}"
    shown: list[Block] = [blocks.section(told)]
    if move.both:
        both = " and ".join(sorted(rules.WHO_WORDS[one] for one in move.who))
        shown.append(blocks.context(f"This needs two people, {both}. The other one is asked."))
    if move.verb == rules.SUSPEND:
        down = (
            f" {blocks.escape(', '.join(model.downstream), 200)} takes its output."
            if model.downstream
            else ""
        )
        shown.append(
            blocks.context(
                f"It is suspended at once, by you alone. Only model risk resumes it.{down}"
            )
        )
    if move.verb == rules.RETIRE:
        listed = blocks.escape(", ".join(model.downstream), 300) or "no other model"
        shown.append(
            blocks.context(f"Takes its output: {listed}. Retired is the end; the record stays.")
        )
    if Guard.VALIDATOR_NAMED in move.guards:
        shown.append(ask_person(TakeStep, "validator_id"))
    if move.verb == rules.CHANGE:
        shown += [
            ask(
                TakeStep,
                "change_class",
                blocks.radio(
                    fields.CHANGE,
                    [blocks.option(text, each.value) for each, text in words.CHANGES.items()],
                ),
                optional=False,
            ),
            ask(TakeStep, "new_version", initial=_next(version_.version) if version_ else ""),
        ]
    if move.asks_why:
        known = _WHY.get(move.verb, {})
        shown.append(ask(TakeStep, "reason", optional=False, **known))
    if route:
        shown.append(blocks.context(route))
    return blocks.modal(
        move.label.rstrip("…"),
        shown,
        callback_id=fields.SUBMIT_STEP,
        submit=_SUBMITS.get(move.verb, "Go on"),
        metadata=metadata,
    )


_SUBMITS = {
    rules.PASS: "Ask",
    rules.SUSPEND: "Suspend",
    rules.RETIRE: "Retire",
    rules.SUBMIT: "Send",
    "return": "Send back",
}


def classify(model: ModelRecord, *, is_model: bool, metadata: str) -> Block:
    """Model risk says that an entry is no model, or that it is one after all."""
    title = "It is a model" if is_model else "It is no model"
    shown = [
        blocks.section(f"*{words.model_name(model, None)}*"),
        fields.text(
            "Why?",
            fields.REASON,
            optional=False,
            hint="Simple arithmetic and fixed rules are no models (SR 26-2).",
        ),
    ]
    return blocks.modal(
        title,
        shown,
        callback_id=fields.SUBMIT_CLASSIFY,
        submit="Keep",
        metadata=metadata,
    )
