"""What came of something a person did."""

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.outgoing.answers import Answer, Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of something a person did.

    `status` is the HTTP status the app answered with (None over Socket Mode, or when it did not
    answer). `error` is a word for what went wrong (`operation_timeout`, `dispatch_failed`, …),
    `text` what Slack's client would show the person about it. `errors` are the messages under a
    modal's fields, block_id → text. `ms` is how long the app took. `body` is its answer, parsed.
    """

    ok: bool
    status: int | None = None
    error: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    ms: float = 0.0
    body: Any = None
    text: str | None = None


class NotPossible(Exception):
    """The person's client would not let them do this (no such button, not a member, …)."""


_WORDS: dict[Failure, str] = {
    "http_timeout": "operation_timeout",
    "connection_failed": "dispatch_failed",
    "http_error": "dispatch_failed",
    "ssl_error": "dispatch_failed",
    "too_many_redirects": "dispatch_failed",
    "no_app": "dispatch_failed",
}


def error_of(answer: Answer) -> str | None:
    """The word for a failed delivery; None when the app answered well."""
    return None if answer.failure is None else _WORDS[answer.failure]


def body_of(answer: Answer) -> Any:
    """The app's answer: parsed JSON, else text, else None."""
    if not answer.body:
        return None
    text = answer.body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def outcome_of(answer: Answer, *, text: str | None = None) -> Outcome:
    """The outcome of a delivery that carries no instructions back."""
    error = error_of(answer)
    return Outcome(
        ok=error is None,
        status=answer.status,
        error=error,
        ms=answer.ms,
        body=body_of(answer),
        text=text if error else None,
    )
