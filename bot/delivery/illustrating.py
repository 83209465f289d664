"""Sending with pictures, and without them when Slack will not have them: the words are never held up."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot import pictures
from bot.delivery.drafts import Draft
from bot.pictures import Picture
from bot.slack_errors import classify
from bot.uploads import Later, OutOfTime, Uploads
from workflows.delivery.outcomes import Limited, Outcome
from workflows.delivery.uploads import METHOD

REFUSED = {"invalid_blocks", "invalid_arguments"}
"""What Slack says to a message or a view whose file was deleted, or that it did not look at yet."""

PATIENCE = timedelta(seconds=30)
"""How long words wait for their pictures when Slack limits uploads; when it says longer, they go out alone."""

Send = Callable[[list[dict[str, Any]]], SlackResponse]


class Illustrator:
    """Puts files in the place of pictures."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def files(self, pictures: tuple[Picture, ...], is_over: OutOfTime) -> dict[str, str] | Outcome:
        """The files (key → id) of the pictures that can be shown; Limited when uploads have to wait."""
        if not pictures:
            return {}
        try:
            return self._uploads.files(pictures, is_over=is_over)
        except Later as later:
            if later.wait > PATIENCE:
                return {}
            return Limited(METHOD, later.wait, closes=later.was_refused)

    def send(
        self, draft: Draft, files: Mapping[str, str], call: Send
    ) -> tuple[SlackResponse, Draft]:
        """Send the draft with its files; what Slack answered, and the draft as people see it.

        When Slack refuses the blocks, which is certain, the files are forgotten and the words go out alone.
        """
        complete = draft.with_pictures(files)
        try:
            return call(pictures.place(complete.blocks, files)), complete
        except SlackApiError as error:
            if not files or classify(error).code not in REFUSED:
                raise
        self._uploads.forget(files)
        bare = draft.with_pictures({})
        return call(bare.blocks), bare
