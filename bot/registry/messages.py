"""How notices about the model registry are shown. Pure."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import VersionRef
from workflows.inventory import reads as inventory
from workflows.inventory.records import FindingRecord
from workflows.registry import reads
from workflows.registry.notices import (
    BaselineRead,
    DriftFound,
    RegistryTroubled,
    TooMuchMoved,
    WriteGivenUp,
)
from workflows.registry.records import GivenUp, RegistryStatus, Waiting

MOST_LISTED = 10
ACCEPT, OPEN = "registry.accept", "models.open"
"""`models.open` is the button of a model's card: its window is where one goes on."""
HIDDEN = (
    "The model registry changed. It is not shown, because people from outside read this channel."
)


def read_revision(value: str) -> int:
    """What a button says was shown; no revision at all for a button of an earlier release."""
    return int(value) if value.isascii() and value.isdecimal() else -1


def _accept_button(label: str, question: str, record: RegistryStatus) -> Block:
    button = blocks.button(label, ACCEPT, str(record.revision), style="primary")
    button["confirm"] = blocks.confirm(title=label, text=question, yes=label, no="Not yet")
    return blocks.actions([button], block_id="registry-accept")


def baseline(record: RegistryStatus, notice: BaselineRead, scene: Scene) -> Rendered:
    """What stands there before somebody accepts it, as it was seen last."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    if record.accepted_at is not None:
        who = f" by {blocks.escape(record.accepted_by, 60)}" if record.accepted_by else ""
        news = f"The model registry's baseline was accepted{who}"
        line = f"✅ *{news}*, {blocks.when(record.accepted_at)}. What differs from then on is a finding."
        return Rendered(news, [blocks.section(line)], is_final=True)
    models = blocks.counted(len(record.waiting) or notice.models, "model")
    news = f"The model registry was read: {models}, {blocks.counted(record.versions, 'version')}"
    alias = blocks.escape(scene.policy.registry.alias, 60)
    pointed = [one for one in record.waiting if one.version is not None]
    facts = [
        f"{len(pointed)} of them have `{alias}` at a version",
        f"{record.unknown} are not in the inventory",
        *_list_waiting(pointed),
    ]
    body = [
        blocks.section(f"*{news}*\n" + "\n".join(f"• {one}" for one in facts)),
        _accept_button(
            "Accept as the baseline",
            "The models of this list are put on the inventory, and where their aliases stand here is no finding. "
            "What moves after it was made is.",
            record,
        ),
    ]
    if record.revision > 1:
        body.append(blocks.context("It has moved since it was read first: this is the list now."))
    body.append(
        blocks.context(
            "For model risk. Until it is accepted nothing is filed, and nothing is written into the registry."
        )
    )
    return Rendered(news, body)


def _list_waiting(waiting: Sequence[Waiting]) -> list[str]:
    """The first of them, in words."""
    lines = [blocks.escape(one.words, 160) for one in waiting[:MOST_LISTED]]
    if len(waiting) > MOST_LISTED:
        lines.append(f"…and {len(waiting) - MOST_LISTED} more; `mlgov registry status` lists them")
    return lines


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
    body = [blocks.section(f"⚠️ *{news}*\n{blocks.escape(record.failure, 500)}")]
    if record.gone:
        body.append(blocks.section("\n".join(f"• {one}" for one in _list_waiting(record.gone))))
        body.append(
            _accept_button(
                "Accept that they are gone",
                "The models of this list are taken as gone. What goes after it was made is asked about again.",
                record,
            )
        )
    body.append(
        blocks.context(
            "What was seen before stays as it is. It is tried again by itself, and said here when it works."
        )
    )
    return Rendered(news, body)


def storm(record: RegistryStatus, notice: TooMuchMoved, scene: Scene) -> Rendered:
    """Too much moved at once."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    if record.frozen_at is None:
        news = "The model registry was accepted as it is"
        return Rendered(news, [blocks.section(f"✅ {news}")], is_final=True)
    if not record.waiting:
        news = "What had changed in the model registry at once was put right"
        return Rendered(
            news,
            [
                blocks.section(f"*{news}*"),
                _accept_button("Go on", "What differs from now on is filed and written.", record),
                blocks.context(
                    "For model risk. Until then nothing is filed one by one, and nothing is written into the registry."
                ),
            ],
        )
    many = len(record.waiting)
    changed = "1 thing" if many == 1 else f"{many} things"
    news = f"{changed} changed in the model registry at once, and nobody approved {'it' if many == 1 else 'them'}"
    listed = [f"• {one}" for one in _list_waiting(record.waiting)]
    return Rendered(
        news,
        [
            blocks.section(f"⚠️ *{news}*\n" + "\n".join(listed)),
            _accept_button(
                "Accept as it is",
                "What this list names is no finding; what changes after it was made is.",
                record,
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
        "Open a request…", OPEN, VersionRef(record.model_id).text, hint=f"Open {record.model}"
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


# --- What notices about the model registry look like


def _status(
    session: Session, notice: BaselineRead | RegistryTroubled | TooMuchMoved, scene: Scene
) -> RegistryStatus:
    return reads.load_status(session, alias=scene.policy.registry.alias)


def _finding(session: Session, notice: DriftFound, scene: Scene) -> FindingRecord | None:
    return inventory.find_finding(session, notice.finding_id)


def _write(session: Session, notice: WriteGivenUp, scene: Scene) -> GivenUp | None:
    return reads.find_given_up(session, notice.write_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(BaselineRead, _status, baseline),
    Renderer(RegistryTroubled, _status, trouble),
    Renderer(TooMuchMoved, _status, storm),
    Renderer(DriftFound, _finding, drift),
    Renderer(WriteGivenUp, _write, given_up),
)
