"""What notices about the model registry look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.registry import messages
from bot.rendering import Renderer, Scene
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
from workflows.registry.records import GivenUp, RegistryStatus


def _status(
    session: Session, notice: BaselineRead | RegistryTroubled | TooMuchMoved, scene: Scene
) -> RegistryStatus:
    return reads.load_status(session, alias=scene.policy.registry.alias)


def _finding(session: Session, notice: DriftFound, scene: Scene) -> FindingRecord | None:
    return inventory.find_finding(session, notice.finding_id)


def _write(session: Session, notice: WriteGivenUp, scene: Scene) -> GivenUp | None:
    return reads.find_given_up(session, notice.write_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(BaselineRead, _status, messages.baseline),
    Renderer(RegistryTroubled, _status, messages.trouble),
    Renderer(TooMuchMoved, _status, messages.storm),
    Renderer(DriftFound, _finding, messages.drift),
    Renderer(WriteGivenUp, _write, messages.given_up),
)
