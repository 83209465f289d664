"""The contract between delivery, which sends, and the nouns, which know what a notice looks like."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session

from bot.pictures import Picture
from workflows.outbox import Notice
from workflows.policy import Policy

N = TypeVar("N", bound=Notice)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a message will be read, and when.

    `reader_id` is the person whose direct message it is, None in a channel. `is_closed` is True where only members of
    the organisation read along; else no amounts, names or evidence may be shown. `now` is governed time.
    """

    now: datetime
    policy: Policy
    reader_id: str | None = None
    is_closed: bool = True


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as Slack takes it: the notification text, which must stand alone, and the blocks."""

    text: str
    blocks: list[dict[str, Any]]
    is_final: bool = False
    """Its record can no longer change, so that this copy need not be kept in step any more."""
    pictures: tuple[Picture, ...] = ()
    """What the image blocks show; each must stand in `blocks` by `Picture.block()`."""


@dataclass(frozen=True, slots=True)
class View:
    """A Home tab as Slack takes it, and what its image blocks show."""

    view: dict[str, Any]
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Renderer(Generic[N, R]):
    """How one kind of notice is shown: `load` reads the record now (no writes), `show` turns it into a message.

    `load` returns None when there is nothing to show any more: the message is then not sent.
    """

    notice: type[N]
    load: Callable[[Session, N, Scene], R | None]
    show: Callable[[R, N, Scene], Rendered]

    def render(self, session: Session, notice: N, scene: Scene) -> Rendered | None:
        """The message for this reader as the record stands now."""
        record = self.load(session, notice, scene)
        return None if record is None else self.show(record, notice, scene)
