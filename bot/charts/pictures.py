"""Pictures in messages and views: named by what they show, so that each is drawn and uploaded once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.slack import blocks

PLACE = "picture:"
"""How a block names a picture that was not uploaded yet; delivery puts the id of Slack's file in its place."""


class Chart(Protocol):
    """A frozen dataclass that draws itself. `facts` are all the values it shows, as JSON: they name the picture."""

    @property
    def facts(self) -> object:
        """The kind of chart, its version, and every value in it."""
        ...

    def png(self) -> bytes:
        """The picture, on a white background, for a phone and a screen."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with a title that states the answer and an alt text that holds the numbers."""

    chart: Chart
    title: str
    alt: str

    @property
    def key(self) -> str:
        """The digest of what is shown: equal pictures have equal keys, in every process."""
        facts = json.dumps(self.chart.facts, sort_keys=True, default=str)
        return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()

    def block(self) -> blocks.Block:
        """The image block; its file is put in by whoever sends it."""
        return {
            "type": "image",
            "slack_file": {"id": PLACE + self.key},
            "title": {"type": "plain_text", "text": blocks.plain(self.title, 200), "emoji": False},
            "alt_text": blocks.plain(self.alt, 1900),
        }


def keys(content: Sequence[blocks.Block]) -> set[str]:
    """The pictures that these blocks name."""
    return {key for block in content if (key := _key(block)) is not None}


def place(content: Sequence[blocks.Block], files: Mapping[str, str]) -> list[blocks.Block]:
    """The blocks as Slack takes them: each picture by its file (key → id), or in words when it has none."""
    return [
        block
        if (key := _key(block)) is None
        else {**block, "slack_file": {"id": files[key]}}
        if key in files
        else in_words(block)
        for block in content
    ]


def without(content: Sequence[blocks.Block], files: Mapping[str, str]) -> list[blocks.Block]:
    """The blocks with those pictures in words that have no file; the others still wait for theirs."""
    return [
        block if (key := _key(block)) is None or key in files else in_words(block)
        for block in content
    ]


def split(content: Sequence[blocks.Block]) -> tuple[list[blocks.Block], list[blocks.Block]]:
    """The words and the pictures, for a place where the words are said first."""
    return (
        [block for block in content if _key(block) is None],
        [block for block in content if _key(block) is not None],
    )


def in_words(block: blocks.Block) -> blocks.Block:
    """What a picture says, for somebody who cannot see it: its title and its alt text."""
    title, words = (block.get("title") or {}).get("text", ""), block["alt_text"]
    if title and not words.startswith(title):
        words = f"{title}. {words}"
    text = {"type": "plain_text", "text": blocks.plain(words, 2900), "emoji": False}
    caption: blocks.Block = {"type": "context", "elements": [text]}
    return {**caption, "block_id": block["block_id"]} if "block_id" in block else caption


def _key(block: blocks.Block) -> str | None:
    file_id = str((block.get("slack_file") or {}).get("id", ""))
    is_ours = block.get("type") == "image" and file_id.startswith(PLACE)
    return file_id.removeprefix(PLACE) if is_ours else None
