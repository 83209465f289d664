"""One dictionary per kind of Slack payload: which function answers which id. Nouns register here; Bolt asks here.

A dictionary keeps the cost of a click flat however many buttons there are; Bolt's own matching is linear. Everything
registered here is for full, active members of the organisation: the edge refuses everybody else before it asks the
function, unless the registration says why anybody may (`anybody="…"`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from bot.interactions import Carried, Nothing
from bot.replies import Reply
from bot.requests import Click, Command, FileShared, Search, Shortcut, Submission
from workflows.actors import Actor

if TYPE_CHECKING:
    from bot.context import Deps

ClickHandler = Callable[[Click], Reply]
CommandHandler = Callable[[Command], Reply]
ShortcutHandler = Callable[[Shortcut], Reply]
ReplyHandler = Callable[["Deps", Actor, dict[str, object], str], Reply | None]
"""Deps, who replied, the facts of the notice under which they did, and the text; None leaves it to the words."""
SubmissionHandler = Callable[[Submission], Reply]
FileHandler = Callable[[FileShared], Reply]
SearchHandler = Callable[[Search], Sequence[tuple[str, str]]]
"""The options that fit, as (value, text), the best first; Slack shows a hundred."""

P = TypeVar("P", bound=Carried)

Kind = Literal["click", "submission", "shortcut", "command", "reply", "search", "file"]
"""What somebody did in Slack."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word after `/mlgov`: its handler, its usage (`status [project]`) and one line of help."""

    name: str
    usage: str
    help: str
    handler: CommandHandler


@dataclass(slots=True)
class Router:
    """Who answers what. Registering an id twice is a mistake of ours and raises at start."""

    actions: dict[str, ClickHandler] = field(default_factory=dict)
    submissions: dict[str, SubmissionHandler] = field(default_factory=dict)
    shortcuts: dict[str, ShortcutHandler] = field(default_factory=dict)
    words: dict[str, Word] = field(default_factory=dict)
    replies: dict[str, ReplyHandler] = field(default_factory=dict)
    searches: dict[str, SearchHandler] = field(default_factory=dict)
    files: list[FileHandler] = field(default_factory=list)
    carried: dict[tuple[Kind, str], type[Carried]] = field(default_factory=dict)
    """What each button's value and each window's metadata is."""
    anybody: dict[tuple[Kind, str], str] = field(default_factory=dict)
    """What is for guests, strangers, bots and leavers too, by kind and id, and why."""

    @overload
    def action(self, action_id: str, handler: ClickHandler, *, anybody: str = "") -> None: ...
    @overload
    def action(
        self,
        action_id: str,
        handler: Callable[[Click, P], Reply],
        carries: type[P],
        *,
        anybody: str = "",
    ) -> None: ...
    def action(
        self,
        action_id: str,
        handler: Callable[..., Reply],
        carries: type[Carried] = Nothing,
        *,
        anybody: str = "",
    ) -> None:
        """`handler` answers clicks on `action_id` (`noun.verb`), and is given what the value `carries`, unless that is
        nothing; `anybody` says why who is no member may too."""
        self._once(self.actions, action_id)
        self.actions[action_id] = _given(handler, carries, lambda click: click.value)
        self.carried[("click", action_id)] = carries
        self._open("click", action_id, anybody)

    @overload
    def submission(
        self, callback_id: str, handler: SubmissionHandler, *, anybody: str = ""
    ) -> None: ...
    @overload
    def submission(
        self,
        callback_id: str,
        handler: Callable[[Submission, P], Reply],
        carries: type[P],
        *,
        anybody: str = "",
    ) -> None: ...
    def submission(
        self,
        callback_id: str,
        handler: Callable[..., Reply],
        carries: type[Carried] = Nothing,
        *,
        anybody: str = "",
    ) -> None:
        """`handler` answers submissions of the modal `callback_id` (`noun.verb`), given what its metadata `carries`."""
        self._once(self.submissions, callback_id)
        self.submissions[callback_id] = _given(handler, carries, lambda sent: sent.metadata)
        self.carried[("submission", callback_id)] = carries
        self._open("submission", callback_id, anybody)

    def shortcut(self, callback_id: str, handler: ShortcutHandler, *, anybody: str = "") -> None:
        """`handler` answers the message shortcut `callback_id` (`noun.verb`), which manifest.yml must offer too."""
        self._once(self.shortcuts, callback_id)
        self.shortcuts[callback_id] = handler
        self._open("shortcut", callback_id, anybody)

    def reply(self, kind: str, handler: ReplyHandler, *, anybody: str = "") -> None:
        """`handler` answers replies in the thread of a direct message of that kind of notice."""
        self._once(self.replies, kind)
        self.replies[kind] = handler
        self._open("reply", kind, anybody)

    def search(self, action_id: str, handler: SearchHandler, *, anybody: str = "") -> None:
        """`handler` looks up the options of the menu `action_id`."""
        self._once(self.searches, action_id)
        self.searches[action_id] = handler
        self._open("search", action_id, anybody)

    def file(self, handler: FileHandler) -> None:
        """`handler` answers files that people share with the bot; there is one."""
        if self.files:
            raise ValueError("shared files are answered already")
        self.files.append(handler)

    def word(
        self, name: str, usage: str, help_: str, handler: CommandHandler, *, anybody: str = ""
    ) -> None:
        """`handler` answers `/mlgov name …`."""
        self._once(self.words, name)
        self.words[name] = Word(name, usage, help_, handler)
        self._open("command", name, anybody)

    def knows(self, kind: Kind, name: str) -> bool:
        """Whether something answers to that name."""
        tables: dict[Kind, Mapping[str, object]] = {
            "click": self.actions,
            "submission": self.submissions,
            "shortcut": self.shortcuts,
            "command": self.words,
            "reply": self.replies,
            "search": self.searches,
        }
        return bool(self.files) if kind == "file" else name in tables[kind]

    def _open(self, kind: Kind, name: str, anybody: str) -> None:
        if anybody:
            self.anybody[(kind, name)] = anybody

    @staticmethod
    def _once(table: Mapping[str, object], key: str) -> None:
        if key in table:
            raise ValueError(f"{key} is registered twice")


def _given(
    handler: Callable[..., Reply], carries: type[Carried], text: Callable[[Any], str]
) -> Callable[[Any], Reply]:
    """The handler with what was carried, read."""
    if carries is Nothing:
        return handler
    return lambda asked: handler(asked, carries.read(text(asked)))
