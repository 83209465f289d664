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
    exchange = sandbox.inspector.find(n)
    if exchange is None:
        raise NotPossible("This request is no longer kept.")
    return _line(exchange) | {
        "headers": exchange.headers,
        "body": exchange.body,
        "answer": exchange.answer,
    }


def _line(exchange: Exchange) -> Json:
    answer = exchange.answer if isinstance(exchange.answer, dict) else {}
    error = str(answer.get("error") or "error") if answer.get("ok") is False else None
    if exchange.status is None and exchange.note in (
        "http_timeout",
        "too_many_redirects",
        "connection_failed",
        "ssl_error",
        "no_app",
    ):
        error = exchange.note
    return {
        "n": exchange.n,
        "at": exchange.at.isoformat(),
        "direction": exchange.direction,
        "transport": exchange.transport,
        "label": exchange.path.removeprefix("/api/"),
        "detail": _detail(exchange),
        "status": exchange.status,
        "error": error,
        "ms": exchange.ms,
        "note": exchange.note,
    }


def _detail(exchange: Exchange) -> str:
    """The few words that tell one request from the next."""
    body = exchange.body if isinstance(exchange.body, dict) else {}
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
