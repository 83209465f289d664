"""How notices about the model registry are shown. Pure."""

from bot import blocks
from bot.blocks import Block
from bot.rendering import Rendered, Scene
from workflows.inventory.records import FindingRecord
from workflows.registry.notices import (
    BaselineRead,
    DriftFound,
    RegistryTroubled,
    TooMuchMoved,
    WriteGivenUp,
)
from workflows.registry.records import GivenUp, RegistryStatus

ACCEPT, OPEN = "registry.accept", "models.open"
"""`models.open` is the button of a model's card: its window is where one goes on."""
HIDDEN = "The model registry changed. It is not shown, because people from outside read this channel."


def _accept(label: str, question: str) -> Block:
    button = blocks.button(label, ACCEPT, "-", style="primary")
    button["confirm"] = blocks.confirm(
        title=label, text=question, yes=label, no="Not yet"
    )
    return blocks.actions([button], block_id="registry-accept")


def baseline(record: RegistryStatus, notice: BaselineRead, scene: Scene) -> Rendered:
    """What was found at the first look."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    models = blocks.counted(notice.models, "model")
    news = f"The model registry was read: {models}, {blocks.counted(notice.versions, 'version')}"
    alias = blocks.escape(scene.policy.registry.alias, 60)
    facts = [
        f"{notice.aliases} of them have `{alias}` at a version",
        f"{notice.unknown} are not in the inventory",
    ]
    shown = [blocks.section(f"*{news}*\n" + "\n".join(f"• {one}" for one in facts))]
    if record.accepted_at is not None:
        who = (
            f" by {blocks.escape(record.accepted_by, 60)}" if record.accepted_by else ""
        )
        shown.append(
            blocks.context(
                f"✅ Accepted{who}, {blocks.when(record.accepted_at)}. What differs from now on is a finding."
            )
        )
        return Rendered(news, shown, is_final=True)
    shown.append(
        _accept(
            "Accept as the baseline",
            "All of them are put on the inventory, and what stands there now is no finding. What moves from then on is.",
        )
    )
    shown.append(
        blocks.context(
            "For model risk. Until it is accepted nothing is filed, and nothing is written into the registry."
        )
    )
    return Rendered(news, shown)


def trouble(record: RegistryStatus, notice: RegistryTroubled, scene: Scene) -> Rendered:
    """The registry cannot be read; later, that it can again."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    if not record.is_troubled:
        when = f", read {blocks.when(record.looked_at)}" if record.looked_at else ""
        news = "The model registry can be read again"
        return Rendered(
            news, [blocks.section(f"✅ {news}{when}. Nothing was lost.")], is_final=True
        )
    news = "The model registry cannot be read"
    shown = [blocks.section(f"⚠️ *{news}*\n{blocks.escape(record.failure, 500)}")]
    if "If that is meant" in record.failure:
        shown.append(
            _accept(
                "Accept that they are gone",
                "What the next look does not find is taken as gone.",
            )
        )
    shown.append(
        blocks.context(
            "What was seen before stays as it is. It is tried again by itself, and said here when it works."
        )
    )
    return Rendered(news, shown)


def storm(record: RegistryStatus, notice: TooMuchMoved, scene: Scene) -> Rendered:
    """Too much moved at once."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    if record.frozen_at is None:
        news = "The model registry was accepted as it is"
        return Rendered(news, [blocks.section(f"✅ {news}")], is_final=True)
    news = f"{len(record.frozen)} things changed in the model registry at once, and nobody approved them"
    listed = [f"• {blocks.escape(one, 160)}" for one in record.frozen[:10]]
    if len(record.frozen) > 10:
        listed.append(f"…and {len(record.frozen) - 10} more")
    return Rendered(
        news,
        [
            blocks.section(f"⚠️ *{news}*\n" + "\n".join(listed)),
            _accept(
                "Accept as it is",
                "What changed is no finding; what changes from then on is.",
            ),
            blocks.context(
                "For model risk. Until then nothing is filed one by one, and nothing is written into the registry. Put it right there, or accept it."
            ),
        ],
    )


def drift(record: FindingRecord, notice: DriftFound, scene: Scene) -> Rendered:
    """The registry differs from the record."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    name = blocks.escape(record.model, 100)
    words = blocks.escape(record.words, 400)
    if not record.is_open(scene.now.astimezone(scene.policy.organisation.zone).date()):
        news = f"{name}: settled"
        return Rendered(news, [blocks.section(f"✅ *{news}*\n{words}")], is_final=True)
    news = f"{name}: the registry differs from the record"
    button = blocks.button(
        "Open a request…", OPEN, f"{record.model_id}:0", hint=f"Open {record.model}"
    )
    return Rendered(
        news,
        [
            blocks.section(f"⚠️ *{news}*\n{words}"),
            blocks.actions([button], block_id=f"drift-{record.id}"),
            blocks.context(
                "Open it to have the version approved, or put the registry right: then this is settled by itself. It is a finding of the model."
            ),
        ],
    )


def given_up(record: GivenUp, notice: WriteGivenUp, scene: Scene) -> Rendered:
    """Something that the registry would not take."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    news = f"The model registry does not take what mlgov writes: {blocks.escape(record.what, 160)}"
    return Rendered(
        news,
        [
            blocks.section(f"⚠️ *{news}*\n{blocks.escape(record.error, 300)}"),
            blocks.context(
                "It was tried again and again, and is given up until something else is wanted there. `mlgov registry status` lists what was given up."
            ),
        ],
        is_final=True,
    )
