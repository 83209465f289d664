"""Replies on their way to Slack: what opens at once, and what is said in the background."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.context import Deps
from bot.replies import Open, Private
from storage.db import DatabaseBusy
from workflows import outbox
from workflows.outbox import Destination

log = logging.getLogger("mlgov")

CALL_FAILED = (SlackApiError, SlackClientError, OSError)
"""What a call of the Web API raises when Slack refuses it or cannot be reached."""


class Answers:
    """Shows replies to the person who acted. One per process; safe to call from many threads."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._background = ThreadPoolExecutor(
            max_workers=4, thread_name_prefix="answer"
        )
        self._http = httpx.Client(timeout=5, trust_env=False)

    def close(self) -> None:
        """Finish what is being answered."""
        self._background.shutdown(wait=True)
        self._http.close()

    def open(self, trigger_id: str, reply: Open) -> Private | None:
        """Open a modal now; the words to say instead when Slack would not."""
        try:
            self._deps.slack.views_open(trigger_id=trigger_id, view=reply.view)
        except CALL_FAILED as error:
            return not_opened(error)
        return None

    def whisper(self, response_url: str, reply: Private) -> None:
        """Answer where the person acted, for their eyes alone; in the background."""
        self._background.submit(self._whisper, response_url, reply)

    def say(self, channel: str, reply: Private) -> None:
        """Answer in a direct conversation; in the background."""
        self._background.submit(self._say, channel, reply)

    def show_home(self, person_id: str, slack_id: str) -> None:
        """Publish somebody's Home anew, since they clicked in it; in the background."""
        self._background.submit(self._show_home, person_id, slack_id)

    def _show_home(self, person_id: str, slack_id: str) -> None:
        to = Destination.person(self._deps.team.org_key, slack_id)
        try:
            self._deps.db.run(
                lambda session: outbox.publish_home(
                    session, person_id, to=to, now=self._deps.now(session)
                )
            )
        except DatabaseBusy:
            log.warning("a Home was not shown anew at once: the database was busy")

    def _whisper(self, response_url: str, reply: Private) -> None:
        message: dict[str, Any] = {
            "response_type": "ephemeral",
            "replace_original": reply.replaces,
            "text": reply.text,
        }
        if reply.blocks:
            message["blocks"] = reply.blocks
        try:
            self._http.post(response_url, json=message)
        except httpx.HTTPError as error:
            log.warning("a private answer was not sent: %s", type(error).__name__)

    def _say(self, channel: str, reply: Private) -> None:
        try:
            self._deps.slack.chat_postMessage(
                channel=channel,
                text=reply.text,
                blocks=reply.blocks or None,
                unfurl_links=False,
                unfurl_media=False,
            )
        except CALL_FAILED as error:
            log.warning("an answer in a direct message was not sent: %s", _code(error))


def not_opened(error: Exception) -> Private:
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
