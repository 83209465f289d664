"""What notices about digests look like: which record each one reads, and which message it becomes."""

from typing import Any

from sqlalchemy.orm import Session

from bot.digests import messages
from bot.digests.messages import DecisionBlocks
from bot.rendering import Renderer, Scene
from workflows.digests import releases, service, troubles
from workflows.digests.notices import DigestPreview, DigestSent, DigestTroubled
from workflows.digests.records import Release, ShownDigest, Trouble


def _digest(session: Session, notice: DigestSent, scene: Scene) -> ShownDigest | None:
    return service.load_shown(session, notice.digest_id, policy=scene.policy, now=scene.now)


def _release(session: Session, notice: DigestPreview, scene: Scene) -> Release | None:
    return releases.load_release(session, notice.release_id, notice.person_id)


def _trouble(session: Session, notice: DigestTroubled, scene: Scene) -> Trouble:
    return troubles.load_trouble(session, notice.digest, notice.week)


def renderers(decision: DecisionBlocks) -> tuple[Renderer[Any, Any], ...]:
    """The renderers, given how a request is shown inside a digest."""
    return (
        Renderer(DigestSent, _digest, messages.sent(decision)),
        Renderer(DigestPreview, _release, messages.preview),
        Renderer(DigestTroubled, _trouble, messages.troubled),
    )
