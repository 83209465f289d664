"""Replies on their way to Slack: the words at once, and what takes longer in the background."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot import errors
from bot.charts import drawing
from bot.deps import Deps
from bot.slack.blocks import escape
from bot.slack.client import response_client
from bot.slack.files import Later, Uploads
from bot.slack.replies import Open, Private, Send, Show
from storage.db import DatabaseBusy
from workflows import outbox
from workflows.context import SYSTEM
from workflows.delivery.pace import Pace
from workflows.outbox import Destination

log = logging.getLogger("mlgov")

View = dict[str, Any]

CALL_FAILED = (SlackApiError, SlackClientError, OSError)
"""What a call of the Web API raises when Slack refuses it or cannot be reached."""
REFUSED = {"invalid_blocks", "invalid_arguments"}
"""What Slack says to a view or a message whose file was deleted meanwhile."""
AFTER = 0.7
"""Seconds until something may follow an answer that is only on its way, so that it does not overtake it."""


class Answers:
    """Shows replies to the person who acted. One per process; safe to call from many threads."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._background = ThreadPoolExecutor(max_workers=8, thread_name_prefix="answer")
        self._uploads = Uploads(
            deps.db, deps.slack, org_key=deps.team.org_key, pace=Pace(http_timeout=5).scaled(1)
        )

    def close(self) -> None:
        """Finish what is being answered."""
        self._background.shutdown(wait=True)
        self._uploads.close()

    # --- views

    def open(self, trigger_id: str, reply: Open) -> Private | None:
        """Open a modal now; the words to say instead when Slack would not."""
        return self._view(
            reply, lambda view: self._deps.slack.views_open(trigger_id=trigger_id, view=view)
        )

    def push(self, trigger_id: str, reply: Open) -> Private | None:
        """Open a modal above the one that is open; as `open`."""
        return self._view(
            reply, lambda view: self._deps.slack.views_push(trigger_id=trigger_id, view=view)
        )

    def show(self, current: Mapping[str, Any], reply: Show) -> Private | None:
        """Put a view in place of the one that is shown, unless that has changed; as `open`."""
        return self._view(
            reply,
            lambda view: self._deps.slack.views_update(
                view_id=current["id"], hash=current.get("hash"), view=view
            ),
        )

    def illustrate(self, view_id: str, reply: Show) -> None:
        """Put the pictures into a view whose words are on their way; in the background."""
        if reply.pictures:
            self._background.submit(self._illustrate, view_id, None, reply)

    def _view(self, reply: Open | Show, call: Callable[[View], SlackResponse]) -> Private | None:
        try:
            files = self._uploads.known(reply.pictures)
            try:
                answer = call(_place_pictures(reply.view, files))
            except SlackApiError as error:
                if not files or _code(error) not in REFUSED:
                    raise
                self._uploads.forget(files)
                files = {}
                answer = call(without_pictures(reply.view))
        except CALL_FAILED as error:
            return explain_not_opened(error)
        if len(files) < len(drawing.keys(reply.view["blocks"])):
            view = answer["view"]
            self._background.submit(self._illustrate, view["id"], view["hash"], reply)
        return None

    def _illustrate(self, view_id: str, hash_: str | None, reply: Open | Show) -> None:
        if hash_ is None:
            time.sleep(AFTER)
        files = self._files(reply)
        if not files:
            return
        try:
            self._deps.slack.views_update(
                view_id=view_id, hash=hash_, view=_place_pictures(reply.view, files)
            )
        except CALL_FAILED as error:
            # Closed meanwhile, or it shows something else by now: nobody waits for these pictures.
            log.info("a view was left without its pictures: %s", _code(error))

    # --- words

    def whisper(self, response_url: str, reply: Private) -> None:
        """Answer where the person acted, for their eyes alone; in the background."""
        self._background.submit(self._whisper, response_url, reply)

    def follow(self, response_url: str, reply: Private) -> None:
        """Show the pictures of an answer whose words are on their way; in the background."""
        self._background.submit(self._follow, response_url, reply, AFTER)

    def say(self, channel: str, reply: Private) -> threading.Event:
        """Answer in a direct conversation; in the background. Set once the words stand there, or Slack refused them."""
        posted = threading.Event()
        self._background.submit(self._say, channel, reply, posted)
        return posted

    def send(self, slack_id: str, reply: Send) -> None:
        """Make a file and send it to somebody's direct conversation, or say there why not; in the background."""
        self._background.submit(self._send, slack_id, reply)

    def _send(self, slack_id: str, reply: Send) -> None:
        slack = self._deps.slack
        try:
            channel = str(slack.conversations_open(users=slack_id)["channel"]["id"])
        except CALL_FAILED as error:
            log.warning("a file was not sent: %s", _code(error))
            return
        try:
            data = reply.make()
        except Exception as error:
            self._say(channel, errors.as_private(error, self._deps, None))
            return
        try:
            self._uploads.share(channel, reply.name, data, reply.words)
        except Later as later:
            seconds = max(1, round(later.wait.total_seconds()))
            why = f"Slack takes no more files for {seconds} seconds"
        except Exception as error:
            log.warning("a file was not sent: %s", _code(error))
            why = (
                "mlgov may not send files here: an administrator adds the scope `files:write` to the app"
                if _code(error) == "missing_scope"
                else f"Slack did not take it ({_code(error)[:60]})"
            )
        else:
            return
        name = escape(reply.name, 120)
        self._say(channel, Private(f"{name} could not be sent. {why}. Ask for it again later."))

    def show_home(self, person_id: str, slack_id: str) -> None:
        """Publish somebody's Home anew, since they clicked in it; in the background."""
        self._background.submit(self._show_home, person_id, slack_id)

    def _show_home(self, person_id: str, slack_id: str) -> None:
        to = Destination.person(self._deps.team.org_key, slack_id)
        try:
            self._deps.act(
                SYSTEM, lambda ctx: outbox.publish_home(ctx.session, person_id, to=to, now=ctx.now)
            )
        except DatabaseBusy:
            log.warning("a Home was not shown anew at once: the database was busy")

    def _whisper(self, response_url: str, reply: Private) -> None:
        words, _ = drawing.split(reply.blocks)
        self._respond(response_url, reply.text, words, replaces=reply.replaces)
        if reply.pictures:
            self._follow(response_url, reply, 0)

    def _follow(self, response_url: str, reply: Private, after: float) -> None:
        time.sleep(after)
        _, rest = drawing.split(reply.blocks)
        title = " ".join(one.title for one in reply.pictures)
        files = self._files(reply)
        if not self._respond(response_url, title, drawing.place(rest, files)):
            self._respond(response_url, title, drawing.place(rest, {}))

    def _respond(
        self, response_url: str, text: str, blocks: list[dict[str, Any]], *, replaces: bool = False
    ) -> bool:
        """Whether Slack took it."""
        message: dict[str, Any] = {
            "response_type": "ephemeral",
            "replace_original": replaces,
            "text": text,
        }
        if blocks:
            message["blocks"] = blocks
        try:
            answer = response_client(response_url, timeout=5).send_dict(message)
        except (SlackClientError, OSError, HTTPException) as error:
            log.warning("a private answer was not sent: %s", type(error).__name__)
            return True  # nobody can tell; saying it twice would be worse
        if answer.status_code == 200:
            return True
        log.warning("Slack refused a private answer: HTTP %s", answer.status_code)
        return False

    def _say(self, channel: str, reply: Private, posted: threading.Event | None = None) -> None:
        try:
            self._send_and_illustrate(channel, reply, posted or threading.Event())
        finally:
            if posted is not None:
                posted.set()

    def _send_and_illustrate(self, channel: str, reply: Private, is_said: threading.Event) -> None:
        slack, files = self._deps.slack, self._uploads.known(reply.pictures)
        try:
            try:
                posted = self._post(channel, reply, files)
            except SlackApiError as error:
                if not files or _code(error) not in REFUSED:
                    raise
                self._uploads.forget(files)
                files = {}
                posted = self._post(channel, reply, files)
            is_said.set()
            if len(files) == len(drawing.keys(reply.blocks)):
                return
            if files := self._files(reply):
                slack.chat_update(
                    channel=channel,
                    ts=posted["ts"],
                    text=reply.text,
                    blocks=drawing.place(reply.blocks, files),
                )
        except CALL_FAILED as error:
            log.warning("an answer in a direct message was not sent: %s", _code(error))

    def _post(self, channel: str, reply: Private, files: Mapping[str, str]) -> SlackResponse:
        return self._deps.slack.chat_postMessage(
            channel=channel,
            text=reply.text,
            blocks=drawing.place(reply.blocks, files) or None,
            unfurl_links=False,
            unfurl_media=False,
        )

    def _files(self, reply: Private | Open | Show) -> dict[str, str]:
        """The files of its pictures; none when uploads have to wait, for nobody waits here for long."""
        try:
            return self._uploads.files(reply.pictures)
        except Later as later:
            log.warning("an answer went without its pictures: %s", later)
        except Exception:
            log.exception("the pictures of an answer could not be had")
        return {}


def without_pictures(view: View) -> View:
    """A view whose pictures are said in words."""
    return _place_pictures(view, {})


def _place_pictures(view: View, files: Mapping[str, str]) -> View:
    return {**view, "blocks": drawing.place(view["blocks"], files)}


def explain_not_opened(error: Exception) -> Private:
    """The words for a window that Slack did not show."""
    code = _code(error)
    log.warning("a view was not shown: %s", code)
    if code in {"expired_trigger_id", "exchanged_trigger_id"}:
        return Private(
            "That took too long, so Slack would not open the window. Nothing was changed; click once more."
        )
    return Private(
        f"Slack would not open the window ({code}). Nothing was changed; try again in a minute."
    )


def _code(error: Exception) -> str:
    return (
        str(error.response.get("error"))
        if isinstance(error, SlackApiError)
        else type(error).__name__
    )
