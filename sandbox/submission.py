"""Submitting a modal: what the client checks, and what the app's answer does to the stack."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.blocks import layout
from sandbox.blocks.state import elements, is_empty
from sandbox.errors import SlackError
from sandbox.installation import Installation
from sandbox.views import MOST_MODALS, View

# --- What the app answered to something that was sent to it

Failure = Literal[
    "http_timeout", "too_many_redirects", "connection_failed", "ssl_error", "http_error", "no_app"
]
PayloadKind = Literal["interactive", "slash_commands", "events_api"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`failure` is None when the app answered in time and well; `status` is None over a socket.

    `body` is the answer as sent (over a socket: the envelope's payload, as JSON).
    """

    failure: Failure | None
    ms: float
    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retry:
    """Which repetition of an event this is, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A payload and how it goes: `name` is what faults and the log call it."""

    kind: PayloadKind
    name: str
    payload: dict[str, Any]
    retry: Retry | None = None


# --- What came of something a person did


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


# --- Submitting a modal
#
# what the client checks, and what the app's answer does to the stack.

TROUBLE = "We had some trouble connecting. Try again?"
MOST_FORM_BYTES = 10_000_000
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def complaints(view: View) -> dict[str, str]:
    """What Slack's client holds against the entries, block_id → text; nothing is sent then."""
    errors: dict[str, str] = {}
    for block, element in elements(view.blocks):
        if block["type"] != "input":
            continue
        state = view.values.get(block["block_id"], {}).get(element["action_id"])
        if state is None or is_empty(state):
            if not block.get("optional"):
                errors[block["block_id"]] = "Please complete this required field."
            continue
        complaint = (
            _files_complaint(element, state["files"])
            if element["type"] == "file_input"
            else _complaint(element, state.get("value"))
        )
        if complaint:
            errors[block["block_id"]] = complaint
    return errors


def files(view: View) -> list[str]:
    """The ids of the files in a view's inputs."""
    return [
        str(file.get("id"))
        for block, element in elements(view.blocks)
        if element.get("type") == "file_input"
        for file in view.values[block["block_id"]][element["action_id"]]["files"]
    ]


def _files_complaint(element: dict[str, Any], chosen: list[Any]) -> str | None:
    """Slack's client takes so many files, of so many bytes, with these endings."""
    most = element.get("max_files") or 10
    if len(chosen) > most:
        return f"Please add no more than {most} file{'s' if most > 1 else ''}."
    endings = [one.lower().lstrip(".") for one in element.get("filetypes") or ()]
    for file in chosen:
        ending = str(file.get("name")).rpartition(".")[2].lower()
        if endings and ending not in endings:
            return f"Please add files of these types: {', '.join(endings)}."
        if file.get("size", 0) > MOST_FORM_BYTES:
            return "Files in forms may have up to 10 MB."
    return None


def _complaint(element: dict[str, Any], value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    kind = element["type"]
    if kind == "plain_text_input":
        least, most = element.get("min_length") or 0, element.get("max_length") or 3000
        if len(value) < least:
            return f"Must be at least {least} characters."
        if len(value) > most:
            return f"Must be {most} characters or fewer."
    elif kind == "number_input":
        return _number_complaint(element, value)
    elif kind == "email_text_input" and not _EMAIL.fullmatch(value):
        return "Please enter a valid email address."
    elif kind == "url_text_input" and "://" not in value:
        return "Please enter a valid URL."
    return None


def _number_complaint(element: dict[str, Any], value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return "Please enter a number."
    if not element["is_decimal_allowed"] and not number.is_integer():
        return "Please enter a whole number."
    least, most = element.get("min_value"), element.get("max_value")
    if least is not None and number < float(least):
        return f"Must be at least {least}."
    if most is not None and number > float(most):
        return f"Must be {most} or less."
    return None


def carry_out(installation: Installation, view: View, answer: Answer) -> Outcome:
    """Do to the stack what the app answered to a view_submission."""
    if error_of(answer) is not None:
        return outcome_of(answer, text=TROUBLE)
    answer_body = body_of(answer)
    try:
        with installation.world.lock:
            errors = _respond(installation, view, answer_body)
    except SlackError as error:
        return Outcome(
            False,
            answer.status,
            error.code,
            ms=answer.ms,
            body=answer_body,
            text=f"{TROUBLE} ({error})",
        )
    return Outcome(not errors, answer.status, None, errors, answer.ms, answer_body)


def _respond(installation: Installation, view: View, answer_body: Any) -> dict[str, str]:
    views, shows = installation.world.views, installation.shows
    if answer_body in (None, "", {}):
        if views.find(view.id) is not None:
            views.close(view.id)
        return {}
    if not isinstance(answer_body, dict):
        raise SlackError("invalid_response", findings=["an empty body or a response_action"])
    match answer_body.get("response_action"):
        case "errors":
            return _errors(view, answer_body.get("errors"))
        case "update":
            body = layout.view(answer_body.get("view"), "modal", shows)
            if views.find(view.id) is not None:
                views.update(view.id, body)
        case "push":
            body = layout.view(answer_body.get("view"), "modal", shows)
            if len(views.stack(view.user_id)) >= MOST_MODALS:
                raise SlackError("push_limit_reached")
            if views.find(view.id) is None:
                raise SlackError("not_found")
            views.push(view.user_id, body)
        case "clear":
            views.clear(view.user_id)
        case other:
            raise SlackError("invalid_response", findings=[f"unknown response_action: {other}"])
    return {}


def _errors(view: View, errors: Any) -> dict[str, str]:
    if not isinstance(errors, dict) or not errors:
        raise SlackError("invalid_response", findings=["errors: block_id → text is missing"])
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    for block_id, text in errors.items():
        if block_id not in inputs:
            raise SlackError("invalid_response", findings=[f"no input block {block_id}"])
        if not isinstance(text, str) or not text:
            raise SlackError("invalid_response", findings=[f"no text for {block_id}"])
    return errors
