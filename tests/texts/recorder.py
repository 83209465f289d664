"""Hears what mlgov says to Slack, and the sentence of every refusal; what differs from run to run is levelled.

As a plugin it hears a run of tests: `MLGOV_TEXTS=folder python -m pytest -p tests.texts.recorder tests/stories`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox import inspector
from workflows import errors

_NO_TEXT = {
    "action_id", "block_id", "callback_id", "channel", "channel_id", "event_payload", "event_type", "external_id", "hash",
    "id", "initial_date", "private_metadata", "response_type", "root_view_id", "style", "team_id", "thread_ts",
    "trigger_id", "ts", "type", "user", "user_id", "value", "view_id", "slack_file", "url", "image_url", "filename",
}  # fmt: skip
"""Keys of what is said to Slack whose values nobody reads."""

_LEVELLED = (
    (re.compile(r"\b(?=[a-z]*\d)(?:ref )?[0-9a-f]{6,}\b"), "‹hex›"),
    (re.compile(r"<!date\^\d+"), "<!date^‹time›"),
    (re.compile(r"\b[UWCDTSFB]0[A-Z0-9]{2,}\b"), "‹id›"),
)
DIGITS = re.compile(r"\d+")

heard: set[str] = set()


def texts(value: Any, key: str = "text") -> Iterator[str]:
    """The texts in what is said to Slack."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in _NO_TEXT:
                yield from texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, key)
    elif isinstance(value, str) and any(letter.isalpha() for letter in value):
        yield value


def level(text: str) -> str:
    """The text on one line, without what differs from run to run."""
    for pattern, word in _LEVELLED:
        text = pattern.sub(word, text)
    return text.replace("\n", " ⏎ ")


def listen() -> None:
    """Hear everything from now on, in this process."""
    record, refuse = inspector.Inspector.record, errors.GovernanceError.__init__

    def recorded(self: Any, direction: Any, *args: Any, **more: Any) -> int:
        number = record(self, direction, *args, **more)
        exchange = self.find(number)
        if exchange is not None:
            said = exchange.body if direction == "to_slack" else exchange.answer
            heard.update(level(text) for text in texts(said))
        return number

    def refused(self: Any, sentence: str, **more: Any) -> None:
        refuse(self, sentence, **more)
        heard.add(level(f"refused: {sentence}"))

    inspector.Inspector.record = recorded  # type: ignore[method-assign]
    errors.GovernanceError.__init__ = refused  # type: ignore[method-assign]


def pytest_configure() -> None:
    """As a plugin: hear the run."""
    listen()


def pytest_sessionfinish() -> None:
    """As a plugin: add what this process heard to the folder of MLGOV_TEXTS; numbers differ there, so they are levelled."""
    folder = Path(os.environ["MLGOV_TEXTS"])
    folder.mkdir(exist_ok=True)
    words = sorted({DIGITS.sub("0", text) for text in heard})
    (folder / f"{os.getpid()}.txt").write_text("\n".join(words), encoding="utf-8")
