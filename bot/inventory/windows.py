"""The windows in which models are registered, described, assessed and moved on. Pure."""

from collections.abc import Sequence

from bot import blocks
from bot.blocks import Block
from bot.inventory import fields, words
from storage.enums import ModelKind
from workflows.evidence.forms import CARD, WORDS
from workflows.inventory import rules
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
        fields.text(
            "Name",
            fields.NAME,
            initial=name,
            multiline=False,
            optional=False,
            most=80,
            hint="As people call it, like Fraud score.",
        ),
        blocks.input_(
            "What is it?",
            fields.menu(fields.KIND, words.KINDS, ModelKind.INTERNAL),
            block_id=fields.KIND,
        ),
        fields.text(
            "Vendor",
            fields.VENDOR,
            multiline=False,
            most=80,
            hint="For a model that is not your own.",
        ),
        fields.project(chosen),
        blocks.input_(
            "Owner",
            blocks.person_picker(fields.OWNER, placeholder="Who answers for it", initial=owner),
            block_id=fields.OWNER,
        ),
        fields.text(
            "What is it for?",
            fields.PURPOSE,
            initial=purpose,
            optional=False,
            hint="A sentence or two that an executive understands.",
        ),
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
    optional = model is None
    later = " You can say it later; development starts once it is said." if optional else ""
    return [
        blocks.input_(
            "How much depends on it?",
            fields.menu(fields.EXPOSURE, words.EXPOSURES, model.exposure if model else None),
            block_id=fields.EXPOSURE,
            optional=optional,
            hint=f"Volume, money and people it reaches.{later}",
        ),
        blocks.input_(
            "What does its output do?",
            fields.menu(fields.USE, words.PURPOSES, model.purpose_class if model else None),
            block_id=fields.USE,
            optional=optional,
        ),
        blocks.input_(
            "Class under the EU AI Act",
            fields.menu(fields.EU, words.EU, model.eu_class if model else None),
            block_id=fields.EU,
            optional=optional,
        ),
    ]


def describe(found: ModelCard, taken: Sequence[tuple[str, str]], metadata: str) -> Block:
    """Everything that describes a model, filled in as it stands, and where it says nothing, from the team's own card.

    `taken` are key and name of the models whose output it takes.
    """
    model = found.model
    held = found.evidence.get(CARD)
    card = held.card if held else None
    upstream = blocks.searched_many(
        words.PICK_UPSTREAM,
        placeholder="None",
        initial=[blocks.option(name, key) for key, name in taken],
    )
    shown = [
        fields.text(
            "Name", fields.NAME, initial=model.name, multiline=False, optional=False, most=80
        ),
        blocks.input_(
            "What is it?", fields.menu(fields.KIND, words.KINDS, model.kind), block_id=fields.KIND
        ),
        fields.text("Vendor", fields.VENDOR, initial=model.vendor or "", multiline=False, most=80),
        fields.project(
            (model.project_key, model.project or model.project_key) if model.project_key else None
        ),
        blocks.input_(
            "Owner",
            blocks.person_picker(
                fields.OWNER,
                placeholder="Who answers for it",
                initial=model.owner.slack_id if model.owner else None,
            ),
            block_id=fields.OWNER,
        ),
        fields.text("What is it for?", fields.PURPOSE, initial=model.purpose, optional=False),
        fields.text(
            "Intended use",
            fields.INTENDED,
            initial=model.intended_use or (card.intended_use[:WORDS] if card else ""),
            hint="Who uses its output, for what.",
        ),
        fields.text(
            "Not meant for",
            fields.SCOPE,
            initial=model.out_of_scope,
            hint="Uses that nobody validated.",
        ),
        fields.text(
            "Technique",
            fields.TECHNIQUE,
            initial=model.technique,
            multiline=False,
            most=200,
            hint="Like gradient boosting.",
        ),
        fields.text(
            "Data that it is made from",
            fields.DATA,
            initial=", ".join(model.data_sources),
            multiline=False,
            most=1000,
            hint="Names, separated by commas.",
        ),
        blocks.input_(
            "Does its output bear on people one by one?",
            fields.menu(
                fields.PEOPLE,
                {"no": "No", "yes": "Yes: it asks for fairness evidence"},
                "yes" if model.affects_people else "no",
            ),
            block_id=fields.PEOPLE,
        ),
        blocks.input_("Takes the output of", upstream, block_id=fields.UPSTREAM, optional=True),
    ]
    return blocks.modal(
        "Describe it", shown, callback_id=fields.SUBMIT_DESCRIBE, submit="Keep", metadata=metadata
    )


def assess(model: ModelRecord, *, can_risk: bool, metadata: str) -> Block:
    """How material a model is; model risk can set another tier."""
    shown = [
        blocks.section(f"*{words.named(model, None)}* · {words.tier(model)}"),
        *_assessed(model),
    ]
    if can_risk:
        shown += [
            blocks.input_(
                "Another tier than what follows",
                fields.menu(
                    fields.TIER, {"1": "Tier 1, the most material", "2": "Tier 2", "3": "Tier 3"}
                ),
                block_id=fields.TIER,
                optional=True,
                hint="Only model risk sees this. Leave it empty to take what follows.",
            ),
            fields.text("Why another tier?", fields.REASON),
        ]
    return blocks.modal(
        "Assess its tier",
        shown,
        callback_id=fields.SUBMIT_ASSESS,
        submit="Assess",
        metadata=metadata,
    )


def version(
    model: ModelRecord, *, maker: str | None, metadata: str, seen: Found | None = None
) -> Block:
    """A new version, prefilled from the registry (`seen` is its newest that is not here yet), or from the last one."""
    last = model.versions[0] if model.versions else None
    name = seen.version if seen else _next(last.version) if last else "1"
    shown = [
        blocks.section(
            f"*{words.named(model, None)}*"
            + (f" · the last version is {blocks.escape(last.version, 40)}" if last else "")
        ),
        fields.text(
            "Version",
            fields.VERSION,
            initial=name,
            multiline=False,
            optional=False,
            most=60,
            hint="The newest in the registry that is not here yet." if seen else "",
        ),
        blocks.input_(
            "Developed by",
            blocks.person_picker(fields.DEVELOPER, placeholder="Who made it", initial=maker),
            block_id=fields.DEVELOPER,
            hint="They can't validate or approve it. A pipeline can name several.",
        ),
        fields.text(
            "Digest of its contents",
            fields.DIGEST,
            initial=f"sha256:{seen.digest}" if seen and seen.digest else "",
            multiline=False,
            most=80,
            hint="sha256:… of what will be deployed. What is approved is exactly that.",
        ),
    ]
    if model.kind is ModelKind.GENERATIVE:
        about = last.about if last else {}
        shown += [
            fields.text(
                "Model it uses",
                fields.BASE,
                initial=str(about.get("model", "")),
                multiline=False,
                optional=False,
                most=200,
                hint="The vendor's own id, with its date or version.",
            ),
            fields.text("The prompt", fields.PROMPT, hint="Only its digest is kept."),
            fields.text(
                "Tools it may use",
                fields.TOOLS,
                initial=", ".join(str(one) for one in about.get("tools", ())),  # type: ignore[attr-defined]
                multiline=False,
                most=500,
                hint="Names, separated by commas.",
            ),
        ]
    return blocks.modal(
        "Add a version", shown, callback_id=fields.SUBMIT_VERSION, submit="Add", metadata=metadata
    )


def _next(name: str) -> str:
    head, dot, tail = name.rpartition(".")
    return f"{head}{dot}{int(tail) + 1}" if tail.isascii() and tail.isdigit() else ""


_WHY = {
    rules.PASS: ("Why can it be approved?", "Approvers read it first."),
    "return": ("What has to change?", "The developers read it."),
    rules.DEPLOY: ("How do you know that it runs?", "A place, a check, a link."),
    rules.SUSPEND: (
        "What is wrong?",
        "It is told in the channel, and to who owns what depends on it.",
    ),
    rules.RETIRE: ("Why is it retired?", ""),
    rules.CHANGE: ("What changes, and why?", ""),
    "resume": ("Why can it go on?", ""),
}


def step(found: ModelCard, move: Move, *, route: str = "", metadata: str = "") -> Block:
    """A step about to be taken: what it does, who else it needs, and what it asks."""
    model, version_ = found.model, found.version
    told = f"*{words.named(model, version_)}* · {words.STATES[move.source]} → {words.STATES[move.target]}"
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
        shown.append(
            blocks.input_(
                "Who validates it?",
                blocks.person_picker(fields.VALIDATOR, placeholder="Somebody who did not make it"),
                block_id=fields.VALIDATOR,
                hint="They are asked at once. Whoever made or owns it can't.",
            )
        )
    if move.verb == rules.CHANGE:
        shown += [
            blocks.input_(
                "How much does the change weigh?",
                blocks.radio(
                    fields.CHANGE,
                    [blocks.option(text, one.value) for one, text in words.CHANGES.items()],
                ),
                block_id=fields.CHANGE,
            ),
            fields.text(
                "Name of the new version",
                fields.NEW,
                initial=_next(version_.version) if version_ else "",
                multiline=False,
                most=60,
                hint="For a material change.",
            ),
        ]
    if move.asks_why:
        label, hint = _WHY.get(move.verb, ("Why?", "It stays with the record."))
        shown.append(fields.text(label, fields.REASON, hint=hint, optional=False, most=1000))
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
        blocks.section(f"*{words.named(model, None)}*"),
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
