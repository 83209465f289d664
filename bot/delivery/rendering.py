"""The contract between delivery, which sends, and the nouns, which know what a notice looks like."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session

from bot.charts import drawing
from bot.charts.drawing import Picture
from workflows.context import SYSTEM, Context
from workflows.delivery import reads
from workflows.delivery.records import Address, Errand
from workflows.outbox import Notice, rebuild
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
    org: str = ""

    def context(self, session: Session) -> Context:
        """The world as a record is read in it to be shown."""
        return Context(session, SYSTEM, self.policy, self.org, self.now)


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


# --- From a row of the outbox to the words that are sent
#
# rendered from the record as it stands at that moment.

EVENT_TYPE = "mlgov_message"
"""The type of our message metadata."""
NAMESPACE = uuid.UUID("6b1f7a5e-6f0e-5d0b-9c5e-0f6d0d6f7a11")


class NotKnown(Exception):
    """This release has no renderer for a kind of notice; a newer one wrote it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to send, and the digest of what it shows."""

    text: str
    blocks: list[dict[str, Any]]
    is_final: bool
    pictures: tuple[Picture, ...] = ()

    def with_pictures(self, files: Mapping[str, str]) -> "Draft":
        """The message with those pictures in words that have no file (key → id); it shows something else then."""
        return replace(self, blocks=drawing.without(self.blocks, files))

    @property
    def digest(self) -> str:
        """Names what people see; equal digests need no edit. Pictures count by what they show, not by their files."""
        content = json.dumps([self.text, self.blocks], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class Drafts:
    """Renders notices. `audience` says whether only members of the organisation read along in a channel."""

    def __init__(
        self,
        renderers: Sequence[Renderer[Any, Any]],
        policy: Callable[[], Policy],
        audience: Callable[[Session, str], bool],
    ) -> None:
        self._renderers: Mapping[str, Renderer[Any, Any]] = {
            renderer.notice.kind: renderer for renderer in renderers
        }
        if len(self._renderers) != len(renderers):
            kinds = [renderer.notice.kind for renderer in renderers]
            twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
            raise ValueError(f"two renderers for one kind of notice: {', '.join(twice)}")
        self._policy = policy
        self._audience = audience

    def draft(self, session: Session, errand: Errand, channel: str) -> Draft | None:
        """The message for this destination as its record stands now; None when there is nothing to show.

        Raises NotKnown for a kind that this release cannot render.
        """
        renderer = self._renderers.get(errand.kind)
        if renderer is None or errand.notice_version > renderer.notice.version:
            raise NotKnown(f"no renderer for {errand.kind} version {errand.notice_version}")
        address = Address.of(errand.lane)
        scene = Scene(
            now=errand.due_now,
            policy=self._policy(),
            reader_id=reads.reader(session, address),
            is_closed=address.is_person or self._audience(session, channel),
            org=address.org_key,
        )
        notice = rebuild(renderer.notice, errand.notice)
        rendered: Rendered | None = renderer.render(session, notice, scene)
        if rendered is None:
            return None
        return Draft(rendered.text, rendered.blocks, rendered.is_final, rendered.pictures)


def mark(dedupe_key: str) -> str:
    """The opaque mark by which a look-up finds a message: other apps can read it, so it says nothing."""
    return hashlib.sha256(f"{NAMESPACE}:{dedupe_key}".encode()).hexdigest()[:32]


def metadata(errand: Errand) -> dict[str, Any]:
    """The message metadata that carries the mark."""
    return {"event_type": EVENT_TYPE, "event_payload": {"k": mark(errand.dedupe_key)}}


def client_msg_id(errand: Errand) -> str:
    """The same for every attempt, and another one when a person asked for the message to be sent again."""
    name = errand.dedupe_key + (f"#{errand.generation}" if errand.generation else "")
    return str(uuid.uuid5(NAMESPACE, name))
