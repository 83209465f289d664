"""What audit notices look like."""

from sqlalchemy.orm import Session

from bot.audit import messages
from bot.rendering import Renderer, Scene
from workflows.audit import heads
from workflows.audit.notices import LedgerHead
from workflows.audit.records import PublishedHead


def _load(session: Session, notice: LedgerHead, scene: Scene) -> PublishedHead:
    return heads.current(session, now=scene.now)


RENDERERS: tuple[Renderer[LedgerHead, PublishedHead], ...] = (
    Renderer(LedgerHead, _load, messages.head),
)
