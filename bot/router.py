"""One dictionary per kind of Slack payload: which function answers which id. Nouns register here; Bolt asks here.

A dictionary keeps the cost of a click flat however many buttons there are; Bolt's own matching is linear.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.replies import Reply
from bot.requests import (
    Click,
    Command,
    FileShared,
    Search,
    Shortcut,
    Submission,
)
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

    def action(self, action_id: str, handler: ClickHandler) -> None:
        """`handler` answers clicks on `action_id` (`noun.verb`)."""
        self._once(self.actions, action_id)
        self.actions[action_id] = handler

    def submission(self, callback_id: str, handler: SubmissionHandler) -> None:
        """`handler` answers submissions of the modal `callback_id` (`noun.verb`)."""
        self._once(self.submissions, callback_id)
        self.submissions[callback_id] = handler

    def shortcut(self, callback_id: str, handler: ShortcutHandler) -> None:
        """`handler` answers the message shortcut `callback_id` (`noun.verb`), which manifest.yml must offer too."""
        self._once(self.shortcuts, callback_id)
        self.shortcuts[callback_id] = handler

    def reply(self, kind: str, handler: ReplyHandler) -> None:
        """`handler` answers replies in the thread of a direct message of that kind of notice."""
        self._once(self.replies, kind)
        self.replies[kind] = handler

    def search(self, action_id: str, handler: SearchHandler) -> None:
        """`handler` looks up the options of the menu `action_id`."""
        self._once(self.searches, action_id)
        self.searches[action_id] = handler

    def file(self, handler: FileHandler) -> None:
        """`handler` answers files that people share with the bot; there is one."""
        if self.files:
            raise ValueError("shared files are answered already")
        self.files.append(handler)

    def word(self, name: str, usage: str, help_: str, handler: CommandHandler) -> None:
        """`handler` answers `/mlgov name …`."""
        self._once(self.words, name)
        self.words[name] = Word(name, usage, help_, handler)

    @staticmethod
    def _once(table: Mapping[str, object], key: str) -> None:
        if key in table:
            raise ValueError(f"{key} is registered twice")
