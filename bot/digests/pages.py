"""A digest as a page that stands alone, to print or keep, and as plain text. The words are those of the message."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.charts.drawing import DARK
from bot.digests.messages import chart
from bot.documents import templates
from bot.slack import blocks
from storage.enums import ApprovalState
from workflows.approvals.records import Card
from workflows.digests.records import Content, PictureFacts, ShownDigest
from workflows.digests.words import LABELS

_STATES = {
    ApprovalState.PENDING: "Waiting",
    ApprovalState.APPROVED: "Approved",
    ApprovalState.REJECTED: "Rejected",
    ApprovalState.EXPIRED: "Expired",
    ApprovalState.WITHDRAWN: "Withdrawn",
    ApprovalState.LAPSED: "Lapsed",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: its title, its lines as (label, text), its pictures and what stands behind it."""

    title: str
    lines: tuple[tuple[str, str], ...]
    pictures: tuple["Image", ...]
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture inside the page itself, for light and for dark."""

    title: str
    alt: str
    light: str
    dark: str


def html(record: ShownDigest, *, organisation: str, reader: str) -> str:
    """The page: no script, nothing loaded from elsewhere, dark where the reader's device is, and printable."""
    return _render("page.html.j2", record, organisation, reader, with_pictures=True)


def text(record: ShownDigest, *, organisation: str, reader: str) -> str:
    """The same words for a terminal or a mail."""
    page = _render("page.text.j2", record, organisation, reader, with_pictures=False)
    return page.strip() + "\n"


def _render(
    template: str, record: ShownDigest, organisation: str, reader: str, *, with_pictures: bool
) -> str:
    content = record.content
    zone = ZoneInfo(content.tz)
    return (
        templates.environment("bot.digests")
        .get_template(template)
        .render(
            content=content,
            organisation=organisation,
            reader=reader,
            as_of=blocks.instant(content.as_of, zone),
            decisions=[_decision(card, zone) for card in record.decisions],
            parts=_parts(content, with_pictures),
        )
    )


def _decision(card: Card, zone: ZoneInfo) -> dict[str, Any]:
    state = _STATES[card.state]
    if not card.is_pending:
        at: datetime = card.decided_at or card.expires_at
        tail = f"{state} {blocks.instant(at, zone)}"
    else:
        tail = f"Decide by {blocks.instant(card.expires_at, zone)}, else it expires and {card.words.stays}"
    return {
        "news": f"{card.words.project} asks to {card.words.asks}",
        "why": f"You are asked because {card.reader.why}"
        if card.is_pending and card.reader is not None and card.reader.why
        else "",
        "tail": tail,
        "state": state,
        "reason": card.reason,
    }


def _parts(content: Content, with_pictures: bool) -> Sequence[Part]:
    names = dict.fromkeys([*(line.part for line in content.lines), *content.details])
    return [
        Part(
            LABELS.get(name, name.title()),
            tuple((line.label, line.text) for line in content.lines if line.part == name),
            tuple(
                _image(picture)
                for picture in content.pictures
                if with_pictures and picture.part == name
            ),
            tuple(
                row.text
                for row in content.details.get(name, ())
                if row.text not in {line.text for line in content.lines}
            ),
        )
        for name in names
    ]


def _image(picture: PictureFacts) -> Image:
    drawn = chart(picture)
    return Image(picture.title, picture.alt, _data(drawn.png()), _data(drawn.drawn(DARK)))


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
