"""What a message is made of, checked as Slack checks it: text, blocks, attachments, metadata."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.blocks import check
from sandbox.errors import SlackError
from sandbox.web_api.call import Call

MOST_TEXT = 40_000
MOST_UPDATE_TEXT = 4_000
MOST_MARKDOWN_TEXT = 12_000
MOST_ATTACHMENTS = 100
MOST_METADATA_BYTES = 16_384  # Slack says that there is a limit, not which


@dataclass(frozen=True, slots=True)
class Content:
    """A message's content; None where the argument was not given."""

    text: str | None
    blocks: list[dict[str, Any]] | None
    attachments: list[dict[str, Any]] | None
    metadata: dict[str, Any] | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be seen."""
        return not self.text and not self.blocks and not self.attachments


def of(call: Call) -> Content:
    """The content in a call's arguments; raises SlackError with the code that fits."""
    text = call.text("text") if call.args.get("text") is not None else None
    raw_blocks = call.json("blocks", "invalid_blocks_format")
    blocks = (
        None if raw_blocks is None else check.message_blocks(raw_blocks, call.installation.shows)
    )
    markdown = call.text("markdown_text")
    if markdown:
        if text or raw_blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MOST_MARKDOWN_TEXT:
            raise SlackError("msg_too_long")
        # The words stay the notification's text, and are shown as the Markdown that they are.
        text = markdown
        blocks = check.message_blocks([{"type": "markdown", "text": markdown}])
    return Content(
        text[:MOST_TEXT] if text is not None else None,
        blocks,
        _attachments(call),
        _metadata(call.json("metadata", "invalid_metadata_format")),
    )


def _attachments(call: Call) -> list[dict[str, Any]] | None:
    raw = call.json("attachments", "invalid_attachments")
    if raw is None:
        return None
    if not isinstance(raw, list) or not all(isinstance(attachment, dict) for attachment in raw):
        raise SlackError("invalid_attachments")
    if len(raw) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    for n, attachment in enumerate(raw):
        if attachment.get("actions"):
            raise SlackError(
                "invalid_attachments",
                findings=[f"attachment {n}: actions (Slack's, not the sandbox's)"],
            )
        if attachment.get("blocks") is not None:
            attachment["blocks"] = check.message_blocks(
                attachment["blocks"], call.installation.shows
            )
    return raw


def _metadata(raw: Any) -> dict[str, Any] | None:
    if raw is None or raw == {}:
        return raw if isinstance(raw, dict) else None
    if not isinstance(raw, dict):
        raise SlackError("invalid_metadata_format")
    event_type, payload = raw.get("event_type"), raw.get("event_payload")
    if not isinstance(event_type, str) or not event_type or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_schema")
    if raw.get("entities"):
        raise SlackError(
            "invalid_metadata_schema", findings=["metadata entities (Slack's, not the sandbox's)"]
        )
    if raw.keys() - {"event_type", "event_payload", "entities"}:
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(raw).encode()) > MOST_METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return raw
