"""The inspector's log as the page lists it."""

from typing import TYPE_CHECKING, Any

from sandbox.inspector import Exchange
from sandbox.outcome import NotPossible

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Json = dict[str, Any]


def newest(sandbox: "Sandbox", after: int) -> Json:
    """The requests after a number, oldest first, one line each."""
    return {"exchanges": [_line(one) for one in sandbox.inspector.since(after)]}


def whole(sandbox: "Sandbox", n: int) -> Json:
    """One request with its bodies."""
    one = sandbox.inspector.find(n)
    if one is None:
        raise NotPossible("This request is no longer kept.")
    return _line(one) | {"headers": one.headers, "body": one.body, "answer": one.answer}


def _line(one: Exchange) -> Json:
    answer = one.answer if isinstance(one.answer, dict) else {}
    error = str(answer.get("error") or "error") if answer.get("ok") is False else None
    if one.status is None and one.note in (
        "http_timeout",
        "too_many_redirects",
        "connection_failed",
        "ssl_error",
        "no_app",
    ):
        error = one.note
    return {
        "n": one.n,
        "at": one.at.isoformat(),
        "direction": one.direction,
        "transport": one.transport,
        "label": one.path.removeprefix("/api/"),
        "detail": _detail(one),
        "status": one.status,
        "error": error,
        "ms": one.ms,
        "note": one.note,
    }


def _detail(one: Exchange) -> str:
    """The few words that tell one request from the next."""
    body = one.body if isinstance(one.body, dict) else {}
    payload = body.get("payload") if isinstance(body.get("payload"), dict) else body
    if not isinstance(payload, dict):
        return ""
    if actions := payload.get("actions"):
        return str(actions[0].get("action_id", "")) if isinstance(actions[0], dict) else ""
    if "command" in payload:
        return f"{payload['command']} {payload.get('text', '')}".strip()[:80]
    view, event = payload.get("view"), payload.get("event")
    if isinstance(view, dict) and view.get("callback_id"):
        return str(view["callback_id"])
    if isinstance(event, dict):
        return str(event.get("channel") or event.get("user") or "")[:80]
    return str(payload.get("channel") or payload.get("user_id") or payload.get("user") or "")[:80]
