"""What people could click: every button, menu and window that the bot showed has somebody who answers it."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from bot.slack.requests import Router
from sandbox.inspector import Exchange


def unanswered(exchanges: list[Exchange], router: Router) -> set[str]:
    """Ids that the bot sent to Slack, and that nothing hears."""
    missing = set()
    for exchange in exchanges:
        is_ours = exchange.direction == "to_slack"
        for kind, name in _ids(_parsed(exchange.body if is_ours else exchange.answer)):
            known: dict[str, Collection[str]] = {
                "action": router.actions,
                "search": router.searches,
                "window": router.submissions,
            }
            if name not in known[kind]:
                missing.add(f"{kind} {name}")
    return missing


def _parsed(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _parsed(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_parsed(value) for value in part]
    if isinstance(part, str) and part[:1] in "[{":
        try:
            return json.loads(part)
        except ValueError:
            return part
    return part


def _ids(part: Any, *, asks_at_once: bool = True) -> Iterator[tuple[str, str]]:
    """Kinds and ids. What stands in an input is sent with its window, unless it asks to be heard at once."""
    if isinstance(part, list):
        for value in part:
            yield from _ids(value, asks_at_once=asks_at_once)
    if not isinstance(part, dict):
        return
    if part.get("type") == "input":
        asks_at_once = bool(part.get("dispatch_action"))
    if part.get("type") == "modal" and part.get("submit"):
        yield "window", str(part.get("callback_id"))
    if "action_id" in part and isinstance(part.get("type"), str):
        if part["type"].endswith("external_select"):
            yield "search", str(part["action_id"])
        if asks_at_once:
            yield "action", str(part["action_id"])
    for value in part.values():
        yield from _ids(value, asks_at_once=asks_at_once)
