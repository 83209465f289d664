"""Pictures in messages and views: named by what they show, so that each is drawn and uploaded once."""

import hashlib
import json
from dataclasses import dataclass
from typing import Protocol

from bot import blocks

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
        told = json.dumps(self.chart.facts, sort_keys=True, default=str)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()

    def block(self) -> blocks.Block:
        """The image block; its file is put in by whoever sends it."""
        return {
            "type": "image",
            "slack_file": {"id": PLACE + self.key},
            "title": {
                "type": "plain_text",
                "text": blocks.plain(self.title, 200),
                "emoji": False,
            },
            "alt_text": blocks.plain(self.alt, 1900),
        }
