"""From a signed Slack payload to one call, and from its reply back to Slack."""

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bot import errors, freshness, logs
from bot.charts import pictures
from bot.deps import Deps
from bot.slack import blocks
from bot.slack.replies import Answered, Done, FieldErrors, Open, Private, Reply, Send, Show
from bot.slack.requests import (
    Click,
    Command,
    FileShared,
    Kind,
    Router,
    Search,
    Shortcut,
    Submission,
)
from bot.slack.responder import Answers, without_pictures
from workflows import permissions
from workflows.actors import Actor
from workflows.delivery import reads

UNKNOWN_SHORTCUT = "This version of mlgov no longer has that shortcut. Ask an administrator to install the app anew; nothing was changed."

ON_ITS_WAY = "It is on its way: look into your direct conversation with mlgov, under Apps."

ANSWERED_WITHIN = 2.0
"""Seconds for which an answer to a direct message is waited for; Slack asks again after three."""

Payload = Mapping[str, Any]
Greet = Callable[[Actor, Private], Private]
"""Adds to the answer of a command what mlgov does for somebody who has just met it."""


def entered(state: Payload) -> dict[str, Any]:
    """What a view's `state.values` says, flattened: block_id → text, an option's value, ids of people or files, a date, or None."""
    return {block: _value(next(iter(elements.values()), {})) for block, elements in state.items()}


def _value(element: Payload) -> Any:
    if (chosen := element.get("selected_option")) is not None:
        return chosen["value"]
    if (options := element.get("selected_options")) is not None:
        return [option["value"] for option in options]
    if (files := element.get("files")) is not None:
        return [str(file["id"]) for file in files]
    for key in (
        "value",
        "selected_date",
        "selected_time",
        "selected_date_time",
        "selected_user",
        "selected_users",
        "selected_channel",
        "selected_conversation",
    ):
        if key in element:
            return element[key]
    return None


def _trigger(payload: Payload) -> str:
    """What lets a window be opened; Slack refuses the empty one, and the person is told so."""
    return str(payload.get("trigger_id") or "")


class Edge:
    """Answers Slack. One instance per process; safe to call from many threads."""

    def __init__(self, deps: Deps, router: Router, greet: Greet) -> None:
        self.deps = deps
        self.router = router
        self._greet = greet
        self._answers = Answers(deps)

    def close(self) -> None:
        """Finish what is being answered."""
        self._answers.close()

    def actor(self, payload: Payload) -> Actor:
        """The person behind a signed payload."""
        user = payload.get("user") or {}
        user_id = user.get("id") or payload["user_id"]
        actor = self.deps.directory.actor(
            user_id,
            team_id=user.get("team_id") or payload.get("team_id"),
            enterprise_id=payload.get("enterprise_id")
            or (payload.get("enterprise") or {}).get("id"),
        )
        logs.name_actor(actor.id)
        return actor

    def _admit(self, actor: Actor, kind: Kind, name: str, *, named: Collection[str] = ()) -> Actor:
        """Whoever acts, as Slack has them now; who is no full, active member is refused, unless this was registered for
        anybody.

        It stands before every handler, so that no listener has to remember it: also that Slack's word on everybody
        whose standing the act rests on is fresh. `named` are people whom they name. Raises NotAllowed, CannotVerify.
        """
        if (kind, name) in self.router.anybody:
            return actor
        actor = freshness.confirm_actor(self.deps, actor, kind, name, named=named)
        # The ledger keeps names of ours alone: nobody writes words of theirs into it by trying.
        known = name if self.router.knows(kind, name) else "unknown"
        permissions.require_member(actor, permissions.MEMBERSHIP, subject=(kind, known))
        return actor

        # --- commands and the same words in a direct message

    def command(self, payload: Payload) -> Private:
        """`/mlgov …`: always answered in words, only to the person who typed it."""
        actor: Actor | None = None
        try:
            actor = self.actor(payload)
            reply = self._words(
                actor,
                str(payload.get("text") or ""),
                payload["channel_id"],
                payload.get("trigger_id"),
            )
        except Exception as error:
            return errors.as_private(error, self.deps, actor)
        if isinstance(reply, Open):
            return self._answers.open(_trigger(payload), reply) or Private("")
        if not isinstance(reply, Private):
            return Private("")
        reply = self._greet(actor, reply)
        if reply.pictures and payload.get("response_url"):
            self._answers.follow(payload["response_url"], reply)
        return Private(reply.text, pictures.split(reply.blocks)[0])

    def _words(self, actor: Actor, text: str, channel: str, trigger_id: str | None) -> Reply:
        words = tuple(text.casefold().split())
        name = words[0] if words else ""
        actor = self._admit(actor, "command", name)
        word = self.router.words.get(name)
        if word is None:
            near = difflib.get_close_matches(
                name, [n for n in self.router.words if n], n=1, cutoff=0.5
            )
            meant = f" Did you mean `{near[0]}`?" if near else ""
            logs.note_refusal()
            return Private(
                f"mlgov doesn't know `{blocks.escape(name, 40)}`.{meant} `/mlgov help` lists what it does."
            )
        logs.name_action(f"/mlgov {name}".strip())
        return word.handler(Command(self.deps, actor, words[1:], channel, trigger_id))

    def direct_message(self, event: Payload, body: Payload) -> None:
        """The words of a command, typed to the bot; its answer is a message in that conversation.

        Returns when the answer stands there, or Slack takes too long: what is acknowledged was answered.
        """
        actor: Actor | None = None
        try:
            actor = self.deps.directory.actor(
                event["user"],
                team_id=event.get("team") or body.get("team_id"),
                enterprise_id=body.get("enterprise_id"),
            )
            logs.name_actor(actor.id)
            text = str(event.get("text") or "").removeprefix("/mlgov").strip()
            reply = (
                self._file(actor, event)
                or self._reply(actor, event, text)
                or self._words(actor, text, event["channel"], None)
            )
            if isinstance(reply, Private):
                reply = self._greet(actor, reply)
        except Exception as error:
            reply = errors.as_private(error, self.deps, actor)
        if isinstance(reply, Private) and (reply.text or reply.blocks):
            self._answers.say(event["channel"], reply).wait(ANSWERED_WITHIN)

    def _file(self, actor: Actor, event: Payload) -> Reply | None:
        """What a file means that came with the message; of several the first is taken, one at a time."""
        files = event.get("files")
        first = files[0] if isinstance(files, list) and files else None
        if not isinstance(first, Mapping) or not self.router.files:
            return None
        actor = self._admit(actor, "file", "shared")
        (handler,) = self.router.files
        logs.name_action("file")
        return handler(FileShared(self.deps, actor, str(first.get("id") or "")))

    def _reply(self, actor: Actor, event: Payload, text: str) -> Reply | None:
        """What a reply in the thread of one of our messages means, where it means something of its own."""
        thread = event.get("thread_ts")
        if not thread or thread == event.get("ts"):
            return None
        with self.deps.db.read() as session:
            notice = reads.find_shown_at(session, event["channel"], str(thread))
        if notice is None:
            return None
        kind, facts = notice
        handler = self.router.replies.get(kind)
        if handler is None:
            return None
        actor = self._admit(actor, "reply", kind)
        logs.name_action(f"reply to {kind}")
        return handler(self.deps, actor, facts, text)

        # --- clicks

    def click(self, payload: Payload) -> None:
        """A button or menu was used; the card follows by itself, a refusal is said in private."""
        action = payload["actions"][0]
        view = payload.get("view")
        actor: Actor | None = None
        reply: Reply
        try:
            actor = self.actor(payload)
            actor = self._admit(
                actor, "click", action["action_id"], named=freshness.list_named(payload)
            )
            handler = self.router.actions.get(action["action_id"])
            if handler is None:
                return
            logs.name_action(action["action_id"])
            container = payload.get("container") or {}
            click = Click(
                deps=self.deps,
                actor=actor,
                action_id=action["action_id"],
                value=str(action.get("value") or _value(action) or ""),
                channel=container.get("channel_id") or (payload.get("channel") or {}).get("id"),
                ts=container.get("message_ts"),
                view=view,
                trigger_id=_trigger(payload),
                payload=dict(payload),
            )
            reply = handler(click)
        except Exception as error:
            in_modal = view is not None and view.get("type") == "modal"
            reply = (
                Open(errors.notice_view("mlgov", errors.sentence_for(error, self.deps, actor)))
                if in_modal
                else errors.as_private(error, self.deps, actor)
            )
        reply = self._sent(actor, reply)
        self._answer_click(payload, view, reply)
        if (
            actor is not None
            and actor.slack_id is not None
            and view is not None
            and view.get("type") == "home"
            and not isinstance(reply, Open)
        ):
            self._answers.show_home(actor.id, actor.slack_id)

    def _answer_click(self, payload: Payload, view: Payload | None, reply: Answered) -> None:
        trigger_id = _trigger(payload)
        instead: Answered | None = None
        if isinstance(reply, Open) and view is not None and view["type"] == "modal":
            instead = self._answers.push(trigger_id, reply)
        elif isinstance(reply, Open):
            instead = self._answers.open(trigger_id, reply)
        elif isinstance(reply, Show) and view is not None:
            instead = self._answers.show(view, reply)
        elif isinstance(reply, Private) and view is not None:
            notice = Open(errors.notice_view("mlgov", reply.text))
            above = view["type"] == "modal"
            instead = (self._answers.push if above else self._answers.open)(trigger_id, notice)
        reply = instead or reply
        if isinstance(reply, Private) and payload.get("response_url"):
            self._answers.whisper(payload["response_url"], reply)

    def _sent(self, actor: Actor | None, reply: Reply) -> Answered:
        """A file is on its way by itself; what is said at once."""
        if not isinstance(reply, Send):
            return reply
        if actor is None or actor.slack_id is None:
            return Done()
        self._answers.send(actor.slack_id, reply)
        return Private(ON_ITS_WAY)

        # --- message shortcuts

    def shortcut(self, payload: Payload) -> None:
        """A shortcut was used on a message: a modal opens, or words answer in private where the person was."""
        actor: Actor | None = None
        reply: Reply
        try:
            actor = self.actor(payload)
            actor = self._admit(actor, "shortcut", payload["callback_id"])
            handler = self.router.shortcuts.get(payload["callback_id"])
            if handler is not None:
                logs.name_action(payload["callback_id"])
            message = payload["message"]
            reply = (
                Private(UNKNOWN_SHORTCUT)
                if handler is None
                else handler(
                    Shortcut(
                        deps=self.deps,
                        actor=actor,
                        callback_id=payload["callback_id"],
                        trigger_id=_trigger(payload),
                        channel=payload["channel"]["id"],
                        ts=message["ts"],
                        text=str(message.get("text") or ""),
                        author=message.get("user"),
                        payload=dict(payload),
                    )
                )
            )
        except Exception as error:
            reply = errors.as_private(error, self.deps, actor)
        if isinstance(reply, Open):
            reply = self._answers.open(_trigger(payload), reply) or Done()
        if isinstance(reply, Private) and payload.get("response_url"):
            self._answers.whisper(payload["response_url"], reply)

            # --- menus that are looked up

    def search(self, payload: Payload) -> list[dict[str, Any]]:
        """The options that fit what was typed into a menu; none where something goes wrong, which Slack says by itself."""
        actor: Actor | None = None
        try:
            actor = self.actor(payload)
            actor = self._admit(actor, "search", payload["action_id"])
            handler = self.router.searches.get(payload["action_id"])
            if handler is None:
                return []
            logs.name_action(payload["action_id"])
            query = str(payload.get("value") or "")[:80].strip()
            metadata = str((payload.get("view") or {}).get("private_metadata") or "")
            matches = handler(Search(self.deps, actor, query, metadata))
        except Exception as error:
            errors.as_private(error, self.deps, actor)
            return []
        return [blocks.option(text, value) for value, text in matches[: blocks.SELECT_OPTIONS]]

        # --- modals

    def submission(self, payload: Payload) -> dict[str, Any] | None:
        """A modal was submitted. The answer is Slack's `response_action`, or None to close it."""
        view = payload["view"]
        actor: Actor | None = None
        reply: Reply
        try:
            actor = self.actor(payload)
            actor = self._admit(
                actor, "submission", view["callback_id"], named=freshness.list_named(payload)
            )
            handler = self.router.submissions.get(view["callback_id"])
            if handler is None:
                return None
            logs.name_action(view["callback_id"])
            reply = handler(
                Submission(
                    deps=self.deps,
                    actor=actor,
                    view=dict(view),
                    metadata=str(view.get("private_metadata") or ""),
                    values=entered((view.get("state") or {}).get("values") or {}),
                )
            )
        except Exception as error:
            reply = errors.as_reply(error, self.deps, actor, view=view)
        reply = self._sent(actor, reply)
        match reply:
            case FieldErrors(faults):
                logs.note_refusal()
                return {"response_action": "errors", "errors": faults}
            case Show():
                self._answers.illustrate(view["id"], reply)
                return {"response_action": "update", "view": without_pictures(reply.view)}
            case Open():
                return {"response_action": "push", "view": without_pictures(reply.view)}
            case Private(text):
                return {"response_action": "update", "view": errors.notice_view("mlgov", text)}
            case Done():
                return None
