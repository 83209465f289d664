"""Modals and Home tabs."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sandbox.blocks.state import initial_values
from sandbox.ids import new_hash, new_id

if TYPE_CHECKING:
    from sandbox.world import World

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


# --- Open views
#
# a stack of at most three modals per person, and one Home tab.

MOST_MODALS = 3


class Views:
    """The views of a world. Its methods trust the caller: the Web API and `Seat` check first."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._open: dict[str, View] = {}
        self._stacks: dict[str, list[str]] = {}
        self._homes: dict[str, str] = {}

    def find(self, view_id: str) -> View | None:
        """An open modal or a published Home, or None."""
        return self._open.get(view_id)

    def find_external(self, external_id: str) -> View | None:
        """The open view that the app gave this id, or None."""
        with self._world.lock:
            for view in self._open.values():
                if view.external_id == external_id:
                    return view
        return None

    def stack(self, user_id: str) -> list[View]:
        """A person's modals, the visible one last."""
        with self._world.lock:
            return [self._open[one] for one in self._stacks.get(user_id, ())]

    def home(self, user_id: str) -> View | None:
        """A person's Home tab, or None before the app published one."""
        with self._world.lock:
            view_id = self._homes.get(user_id)
            return self._open[view_id] if view_id else None

    def open(self, user_id: str, body: dict[str, Any]) -> View:
        """Show a modal as the root of a new stack; an older stack goes away."""
        with self._world.lock:
            for old in self._stacks.pop(user_id, ()):
                del self._open[old]
            view = self._make("modal", user_id, body, None)
            self._stacks[user_id] = [view.id]
            self._tell(view, "open")
            return view

    def push(self, user_id: str, body: dict[str, Any]) -> View:
        """Show a modal above the person's topmost one."""
        with self._world.lock:
            stack = self._stacks[user_id]
            view = self._make("modal", user_id, body, self._open[stack[-1]])
            stack.append(view.id)
            self._tell(view, "push")
            return view

    def update(self, view_id: str, body: dict[str, Any]) -> View:
        """Show something else in an open view; what was entered stays where the inputs stay."""
        with self._world.lock:
            view = self._open[view_id]
            entered = view.values
            view.body = body
            view.hash = new_hash()
            view.values = initial_values(body["blocks"], keep=entered)
            self._tell(view, "update")
            return view

    def publish(self, user_id: str, body: dict[str, Any]) -> View:
        """Show a person's Home tab."""
        with self._world.lock:
            view_id = self._homes.get(user_id)
            if view_id:
                return self.update(view_id, body)
            view = self._make("home", user_id, body, None)
            self._homes[user_id] = view.id
            self._tell(view, "open")
            return view

    def close(self, view_id: str) -> None:
        """Take one modal away; the one below shows again."""
        with self._world.lock:
            view = self._open.pop(view_id)
            stack = self._stacks[view.user_id]
            stack.remove(view_id)
            self._tell(view, "close")

    def clear(self, user_id: str) -> list[View]:
        """Take a person's whole stack away; returns what was open, the visible one last."""
        with self._world.lock:
            gone = [self._open.pop(one) for one in self._stacks.pop(user_id, ())]
            if gone:
                self._tell(gone[-1], "close")
            return gone

    def enter(self, view_id: str, block_id: str, action_id: str, state: dict[str, Any]) -> None:
        """Remember what a person entered in an input."""
        with self._world.lock:
            self._open[view_id].values.setdefault(block_id, {})[action_id] = state

    def _make(self, type_: Any, user_id: str, body: dict[str, Any], below: View | None) -> View:
        app = self._world.app
        view_id = new_id("V")
        view = View(
            id=view_id,
            type=type_,
            user_id=user_id,
            team_id=app.team_id,
            app_id=app.id,
            bot_id=app.bot_id,
            body=body,
            hash=new_hash(),
            root_id=below.root_id if below else view_id,
            previous_id=below.id if below else None,
            values=initial_values(body["blocks"]),
        )
        self._open[view_id] = view
        return view

    def _tell(self, view: View, change: str) -> None:
        if view.type == "home":
            self._world.feed.append("home", user=view.user_id, view=view.id)
        else:
            self._world.feed.append("modals", user=view.user_id, view=view.id, change=change)
