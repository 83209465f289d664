"""What audit notices look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.audit import messages
from bot.rendering import Renderer, Scene
from workflows.audit import heads
from workflows.audit.notices import LedgerHead
from workflows.audit.records import PublishedHead
from workflows.record import telling
from workflows.record.notices import RecordChanged
from workflows.record.telling import Alarm


def _load(session: Session, notice: LedgerHead, scene: Scene) -> PublishedHead:
    return heads.read_current(session, now=scene.now)


def _alarm(session: Session, notice: RecordChanged, scene: Scene) -> Alarm:
    return telling.read(session, notice)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(LedgerHead, _load, messages.head),
    Renderer(RecordChanged, _alarm, messages.changed),
)
