"""A small organisation in the sandbox, a record that messages are views of, and the facts that tests need."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from bot.charts.drawing import Picture
from bot.delivery.rendering import Rendered, Renderer, Scene, View
from sandbox.faults import RateLimits
from sandbox.server import Sandbox
from sandbox.world import World
from storage.db import Database
from storage.people.tables import Person
from storage.status.tables import Meeting
from tests.contexts import make_context
from workflows import outbox
from workflows.delivery.pace import Pace
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy, parse

ORG = "T0ACME"
SCALE = 0.02
PACE = Pace().scaled(SCALE)
CHANNELS = tuple(f"C0ROOM{number:02}" for number in range(10))
ADMIN = "C0ADMIN"
PEOPLE = ("U0ANA", "U0BEN", "U0CAI")
SCOPES = [
    "chat:write",
    "channels:history",
    "groups:history",
    "im:history",
    "im:write",
    "channels:read",
    "files:read",
    "files:write",
]


@cache
def policy() -> Policy:
    """The smallest policy."""
    return parse("version: 1\norganisation: {name: Acme, timezone: Europe/London}\n").policy


def world() -> World:
    """Ten rooms, an admin room, one room without the bot, one archived, three people."""
    return World.from_dict(
        {
            "teams": [{"id": ORG, "name": "Acme", "domain": "acme"}],
            "users": [{"id": id_, "name": id_.lower(), "team": ORG} for id_ in PEOPLE],
            "channels": [
                *(
                    {"id": id_, "name": id_.lower(), "members": list(PEOPLE), "app": True}
                    for id_ in CHANNELS
                ),
                {"id": ADMIN, "name": "admin", "members": list(PEOPLE), "app": True},
                {"id": "C0ALONE", "name": "alone", "members": list(PEOPLE)},
                {
                    "id": "C0OLD",
                    "name": "old",
                    "members": list(PEOPLE),
                    "app": True,
                    "is_archived": True,
                },
            ],
            "app": {"id": "A0MLGOV", "name": "mlgov", "team": ORG},
        }
    )


def sandbox(*, limits: RateLimits | bool | None = None) -> Sandbox:
    """A stand-in with Slack's limits, scaled like the pace."""
    manifest = {
        "display_information": {"name": "mlgov"},
        "features": {
            "bot_user": {"display_name": "mlgov", "always_online": True},
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
        },
        "oauth_config": {"scopes": {"bot": SCOPES}},
        "settings": {"socket_mode_enabled": False},
    }
    return Sandbox(world(), manifest, limits=RateLimits(scale=SCALE) if limits is None else limits)


@dataclass(frozen=True, slots=True)
class Word(Notice):
    """A message that never changes."""

    kind: ClassVar[str] = "test.word"
    word: str


@dataclass(frozen=True, slots=True)
class Card(Notice):
    """A view of a person's title, which stands in for any record."""

    kind: ClassVar[str] = "test.card"
    person_id: str


@dataclass(frozen=True, slots=True)
class Drawn(Notice):
    """A view of a person's title with a picture of it."""

    kind: ClassVar[str] = "test.drawn"
    person_id: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart that needs no time to draw."""

    words: str

    @property
    def facts(self) -> object:
        """What it shows."""
        return ["drawing", 1, self.words]

    def png(self) -> bytes:
        """Bytes that begin as a PNG does."""
        return b"\x89PNG\r\n\x1a\n" + self.words.encode()


def picture_of(words: str) -> Picture:
    """The picture of a title."""
    return Picture(Drawing(words), f"It is {words}", f"The title is {words}")


def _show_drawn(title: str, notice: Drawn, scene: Scene) -> Rendered:
    words = f"drawn: {title}"
    shown = picture_of(title)
    return Rendered(words, [*_blocks(words), shown.block()], pictures=(shown,))


def _load_title(session: Session, notice: Card | Drawn, scene: Scene) -> str | None:
    person = session.get(Person, notice.person_id)
    return None if person is None else person.title


def _blocks(words: str) -> list[dict[str, Any]]:
    return [{"type": "section", "text": {"type": "mrkdwn", "text": words}}]


def _show_card(title: str, notice: Card, scene: Scene) -> Rendered:
    words = f"{notice.person_id}: {title}"
    return Rendered(words, _blocks(words), is_final=title == "final")


def _show_word(record: str, notice: Word, scene: Scene) -> Rendered:
    return Rendered(record, _blocks(record))


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(Word, lambda session, notice, scene: notice.word, _show_word),
    Renderer(Card, _load_title, _show_card),
    Renderer(Drawn, _load_title, _show_drawn),
)


def home(session: Session, person_id: str) -> View | None:
    """An App Home that shows the title, in words and as a picture."""
    person = session.get(Person, person_id)
    if person is None:
        return None
    words = person.title or "none"
    shown = Picture(Drawing(words), f"Home of {words}", words)
    return View({"type": "home", "blocks": [*_blocks(words), shown.block()]}, (shown,))


def add_people(database: Database, now: datetime) -> None:
    """The three people, as the mirror would hold them; they know mlgov."""
    with database.begin() as session:
        for id_ in PEOPLE:
            session.add(
                Person(
                    id=f"p-{id_}",
                    org_key=ORG,
                    slack_id=id_,
                    name=id_,
                    title="first",
                    refreshed_at=now,
                )
            )
            session.flush()
            session.add(Meeting(person_id=f"p-{id_}", met_at=now, way="command"))


def retitle(session: Session, person_id: str, title: str, now: datetime) -> None:
    """Change the record, and every copy of it."""
    person = session.get(Person, person_id)
    assert person is not None
    person.title = title
    session.flush()
    outbox.refresh(make_context(session, now=now), Subject("person", person_id))


def channel(id_: str) -> Destination:
    """A room or a direct message."""
    return Destination.channel(ORG, id_)


def texts(stand_in: Sandbox, channel_id: str, *, replies: bool = True) -> list[str]:
    """What the bot wrote in a conversation, oldest first."""
    found = stand_in.world.channels[channel_id]
    with stand_in.world.lock:
        messages = sorted(found.messages.values(), key=lambda message: message.ts)
    return [m.text for m in messages if m.bot_id and (replies or not m.is_reply)]


def pictured(stand_in: Sandbox, channel_id: str) -> list[str]:
    """The titles of the pictures that the bot shows in a conversation; each must be one that Slack can show."""
    with stand_in.world.lock:
        messages = list(stand_in.world.channels[channel_id].messages.values())
        images = [
            block for message in messages for block in message.blocks if block["type"] == "image"
        ]
        assert all(stand_in.world.files.shows(one["slack_file"]) for one in images)
    return [str(one["title"]["text"]) for one in images]


def everything(stand_in: Sandbox) -> Counter[str]:
    """How often each text stands anywhere."""
    with stand_in.world.lock:
        ids = list(stand_in.world.channels)
    return Counter(text_ for id_ in ids for text_ in texts(stand_in, id_))


def rows(database: Database) -> list[tuple[Any, ...]]:
    """The outbox: dedupe key, state, attempts, last error."""
    with database.read() as session:
        found = session.execute(
            text("SELECT dedupe_key, state, attempts, last_error FROM outbox ORDER BY id")
        )
        return [tuple(row) for row in found]


def states(database: Database) -> dict[str, str]:
    """The state of each row by its dedupe key."""
    return {row[0]: row[1] for row in rows(database)}
