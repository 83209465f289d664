"""Modals and Home tabs."""

from dataclasses import dataclass, field
from typing import Any, Literal

StateValues = dict[str, dict[str, dict[str, Any]]]


@dataclass(slots=True)
class View:
    """A modal or a Home tab as one person sees it.

    `body` is what the app sent (title, blocks, submit, …). `values` is what the person has
    entered, block_id → action_id → Slack's state object. `root_id` and `previous_id` place a modal
    in its stack.
    """

    id: str
    type: Literal["modal", "home"]
    user_id: str
    team_id: str
    app_id: str
    bot_id: str
    body: dict[str, Any]
    hash: str
    root_id: str
    previous_id: str | None = None
    values: StateValues = field(default_factory=dict)

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The blocks shown."""
        blocks: list[dict[str, Any]] = self.body["blocks"]
        return blocks

    @property
    def callback_id(self) -> str:
        """What the app calls this view; empty when it gave no name."""
        return str(self.body.get("callback_id") or "")

    @property
    def external_id(self) -> str:
        """The app's own unique id of this view; empty when it gave none."""
        return str(self.body.get("external_id") or "")

    def as_json(self) -> dict[str, Any]:
        """The view as Slack describes it in answers and payloads."""
        body = self.body
        view: dict[str, Any] = {
            "id": self.id,
            "team_id": self.team_id,
            "type": self.type,
            "blocks": self.blocks,
            "private_metadata": body.get("private_metadata") or "",
            "callback_id": self.callback_id,
            "state": {"values": self.values},
            "hash": self.hash,
            "title": body.get("title")
            or {"type": "plain_text", "text": "View Title", "emoji": True},
            "clear_on_close": bool(body.get("clear_on_close")),
            "notify_on_close": bool(body.get("notify_on_close")),
            "close": body.get("close"),
            "submit": body.get("submit"),
            "previous_view_id": self.previous_id,
            "root_view_id": self.root_id,
            "app_id": self.app_id,
            "external_id": self.external_id,
            "app_installed_team_id": self.team_id,
            "bot_id": self.bot_id,
        }
        return view
