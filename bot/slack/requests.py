"""What a listener gets: a signed request from Slack, parsed, with the person who acted as an Actor."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from pydantic import BaseModel, ValidationError

from bot.charts.drawing import Picture
from bot.slack.interactions import (
    WINDOW_UNREADABLE,
    Carried,
    Nothing,
    WrongFields,
    block_of,
    empties_of,
    missing_of,
    number,
    place_faults,
)
from bot.slack.replies import Open, Reply, Show
from workflows.context import Actor, Context, Place
from workflows.errors import InvalidInput, all_faults
from workflows.inputs import inputs_of

if TYPE_CHECKING:
    from bot.deps import Deps

E = TypeVar("E", bound=StrEnum)
M = TypeVar("M", bound=BaseModel)
A = ParamSpec("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Interaction:
    """Something that somebody did in Slack, whatever it was."""

    deps: "Deps"
    actor: Actor

    @property
    def card(self) -> Place:
        """Channel and ts of the message that it was done on, whose copy is redrawn before all others."""
        return None

    def read(
        self, verb: Callable[Concatenate[Context, A], R], /, *args: A.args, **kwargs: A.kwargs
    ) -> R:
        """What `verb(ctx, …)` reads for whoever did it. Raises what it raises."""
        with self.begin_read() as ctx:
            return verb(ctx, *args, **kwargs)

    def begin_read(self) -> AbstractContextManager[Context]:
        """A look at the record as whoever did it sees it, for several reads that must agree."""
        return self.deps.begin_read(self.actor, self.card)

    def act(
        self, verb: Callable[Concatenate[Context, A], R], /, *args: A.args, **kwargs: A.kwargs
    ) -> R:
        """Do `verb(ctx, …)` in one transaction, committed when it returns. Raises what it raises, and DatabaseBusy."""
        return self.deps.act_on(self.card, self.actor, verb, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class Command(Interaction):
    """`/mlgov …`, or the same words in a direct message. `words` are folded, without the command itself."""

    words: tuple[str, ...]
    channel: str
    trigger_id: str | None


@dataclass(frozen=True, slots=True)
class Click(Interaction):
    """A button or menu. `value` is the button's own value or the chosen option's.

    `channel` and `ts` name the message that was clicked; `view` is set instead when it was in a modal or App Home.
    """

    action_id: str
    value: str
    channel: str | None
    ts: str | None
    view: dict[str, Any] | None
    trigger_id: str
    payload: dict[str, Any]

    @property
    def card(self) -> Place:
        """Channel and ts of the clicked message."""
        return (self.channel, self.ts) if self.channel and self.ts else None

    @property
    def in_modal(self) -> bool:
        """Whether it was in a modal."""
        return self.view is not None and self.view.get("type") == "modal"

    @property
    def is_private(self) -> bool:
        """Whether it was under a message that only whoever clicked sees, which cannot be edited."""
        return bool((self.payload.get("container") or {}).get("is_ephemeral"))

    @property
    def metadata(self) -> str:
        """What the view carries in which it was."""
        return str((self.view or {}).get("private_metadata") or "")

    def window(self, view: dict[str, Any], pictures: tuple[Picture, ...] = ()) -> Open | Show:
        """A modal; in place of the one in which it was, since Slack stacks no more than three."""
        return Show(view, pictures) if self.in_modal else Open(view, pictures)


@dataclass(frozen=True, slots=True)
class Shortcut(Interaction):
    """A message shortcut, used on a message that anybody wrote, in any conversation that its reader sees.

    `text` is that message's text (mrkdwn of a stranger, maybe empty) and `author` the Slack id of who wrote it, None
    for an app's. mlgov need not be in the conversation: it can neither read further there nor post.
    """

    callback_id: str
    trigger_id: str
    channel: str
    ts: str
    text: str
    author: str | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileShared(Interaction):
    """A file that somebody shared with the bot in their direct conversation."""

    file_id: str


@dataclass(frozen=True, slots=True)
class Search(Interaction):
    """What somebody typed into a menu whose options are looked up. `metadata` is that of the modal that holds it."""

    query: str
    metadata: str


@dataclass(frozen=True, slots=True)
class Submission(Interaction):
    """A submitted modal. `values` maps block_id to what was entered: text, an option's value, ids, or None."""

    view: dict[str, Any]
    metadata: str
    values: dict[str, Any]
    card: Place = None
    """Where the window was opened from, as its metadata says."""

    @property
    def key(self) -> str:
        """Names this submission; a redelivery carries the same one."""
        return f"view:{self.view['id']}"

    def text(self, block: str) -> str:
        """What was typed or picked there."""
        return str(self.values.get(block) or "").strip()

    def listed(self, block: str) -> tuple[str, ...]:
        """What was typed there, apart at its commas."""
        return tuple(part.strip() for part in self.text(block).split(",") if part.strip())

    def day(self, block: str) -> date | None:
        """The day that was picked there. Raises InvalidInput for what is none."""
        text = self.text(block)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            raise InvalidInput(WINDOW_UNREADABLE) from None

    def choice(self, block: str, kind: type[E], default: E | None = None) -> E:
        """The option that was chosen there. Raises InvalidInput for one that the window never offered."""
        value = self.values.get(block)
        if value is None and default is not None:
            return default
        try:
            return kind(str(value))
        except ValueError:
            raise InvalidInput(WINDOW_UNREADABLE) from None

    def form(
        self, kind: type[M], known: Mapping[str, Any], wrong: Mapping[str, str] | None = None
    ) -> M:
        """A form, filled in with what was entered and what is `known` besides. An empty field has its default.

        Raises WrongFields with everything that is wrong, and what is known to be `wrong` besides. A rule over the whole
        form judges what its fields say, so that is said where nothing else is wrong.
        """
        faults = empties_of(kind, self.view, self.values) | dict(wrong or {})
        try:
            filled = kind.model_validate({**self._entered(kind), **known})
        except ValidationError as error:
            fresh = [each for each in all_faults(error) if each[0] or not faults]
            faults = place_faults(fresh, self.view) | faults
            if not faults:
                raise InvalidInput(WINDOW_UNREADABLE) from None
        if faults:
            raise WrongFields(faults)
        return filled

    def require(self, sentences: Mapping[str, str], also: Mapping[str, str] | None = None) -> None:
        """Refuse a window in which one of these blocks is empty. Raises WrongFields with the sentence of each that is.

        `also` are blocks of which the action itself says that they are empty; here they are said along with the others.
        """
        if faults := missing_of(sentences, self.values):
            raise WrongFields(faults | missing_of(also or {}, self.values))

    def _entered(self, kind: type[BaseModel]) -> dict[str, Any]:
        """What was entered for the fields of a form that are asked for; nothing else can be entered."""
        found = {}
        for input_field in inputs_of(kind):
            value = self.values.get(block_of(input_field))
            value = value.strip() if isinstance(value, str) else value
            if value not in (None, "", []):
                found[input_field] = value
        return found

    def number(self, block: str, default: int) -> int:
        """The number that was chosen there. Raises InvalidInput for what is none."""
        try:
            return number(str(self.values.get(block) or default))
        except ValueError:
            raise InvalidInput(WINDOW_UNREADABLE) from None


# --- One dictionary per kind of Slack payload
#
# which function answers which id. Nouns register here; Bolt asks here. A dictionary keeps the
# cost of a click flat however many buttons there are; Bolt's own matching is linear. Everything
# registered here is for full, active members of the organisation: the edge refuses everybody
# else before it asks the function, unless the registration says why anybody may
# (`anybody="…"`).

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
        self.actions[action_id] = _given_button(handler, carries)
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
        self.submissions[callback_id] = _given_window(handler, carries)
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


def _given_button(handler: Callable[..., Reply], carries: type[Carried]) -> ClickHandler:
    """The handler with what the button carried, read."""
    if carries is Nothing:
        return handler
    return lambda click: handler(click, carries.read(click.value))


def _given_window(handler: Callable[..., Reply], carries: type[Carried]) -> SubmissionHandler:
    """The handler with what the window carried, read, and with the card from which it was opened."""
    if carries is Nothing:
        return handler

    def answer(submission: Submission) -> Reply:
        window = carries.read(submission.metadata)
        return handler(replace(submission, card=getattr(window, "card", None)), window)

    return answer
