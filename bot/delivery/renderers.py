"""How delivery's own notices are shown."""

from typing import Any

from sqlalchemy.orm import Session

from bot.delivery import messages
from bot.rendering import Renderer, Scene
from workflows.delivery import dead_letters, holding
from workflows.delivery.notices import ClockSetBack, CopyRestored, LettersDied
from workflows.delivery.records import DeadLetters, HoldRecord


def _load(session: Session, notice: LettersDied, scene: Scene) -> DeadLetters:
    return dead_letters.list_of_lane(session, notice.lane)


def _as_noticed(session: Session, notice: ClockSetBack, scene: Scene) -> ClockSetBack:
    return notice


def _hold(session: Session, notice: CopyRestored, scene: Scene) -> HoldRecord:
    return holding.find(session, notice.hold)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(LettersDied, _load, messages.letters_died),
    Renderer(CopyRestored, _hold, messages.copy_restored),
    Renderer(ClockSetBack, _as_noticed, messages.clock_set_back),
)
