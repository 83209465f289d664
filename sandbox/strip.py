"""The strip outside Slack's frame: a story told step by step, and what a newcomer may do beside it.

Whoever starts a sandbox fills these in; the page shows them. All callables are called from a
worker thread, never while a lock of the sandbox is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOME = "home"
"""In place of a channel: the app's Home tab."""


@dataclass(frozen=True, slots=True)
class Go:
    """Where "Show me" leads: as whom, to which channel (or `HOME`), to which message.

    `channel_id` may be the id of the person's own conversation with the app, too.
    """

    user_id: str
    channel_id: str
    ts: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story. `done` is asked again after every change: it must be quick.

    `go` may be a function, for a place that is known only once the story has come so far.
    """

    id: str
    title: str
    text: str
    done: Callable[[], bool]
    go: Go | Callable[[], Go | None] | None = None


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of an action, in words a newcomer understands."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class StripAction:
    """A button beside the story that does something no Slack user could."""

    id: str
    label: str
    help: str
    run: Callable[[], ActionResult]


@dataclass(frozen=True, slots=True)
class Strip:
    """The story, the actions, and how the governed clock is moved.

    `settle` returns when everything that fell due has happened. `move` and `set_to` are for
    somebody who keeps the clock elsewhere; without them the sandbox's own clock is moved.
    """

    headline: str
    steps: Sequence[Step]
    start: Go
    actions: Sequence[StripAction] = ()
    settle: Callable[[], None] = field(default=lambda: None)
    move: Callable[[timedelta], None] | None = None
    set_to: Callable[[datetime], None] | None = None

    def __post_init__(self) -> None:
        for kind, ids in (
            ("step", [step.id for step in self.steps]),
            ("action", [action.id for action in self.actions]),
        ):
            if len(ids) != len(set(ids)):
                raise ValueError(f"two {kind}s of the strip have the same id: {', '.join(ids)}")

    def action(self, id_: str) -> StripAction | None:
        """The action with this id, or None."""
        return next((one for one in self.actions if one.id == id_), None)
