"""Answers of the app at a response_url, or in the body of its answer to a slash command."""

import json
from typing import Any

from sandbox import coverage
from sandbox.errors import SlackError
from sandbox.installation import Installation, ResponseUrl
from sandbox.web_api import content
from sandbox.web_api.call import Call

_KNOWN = {
    "text", "blocks", "attachments", "response_type", "replace_original", "delete_original",
    "thread_ts", "unfurl_links", "unfurl_media", "mrkdwn", "metadata", "link_names", "parse",
    "as_user", "username", "icon_emoji", "icon_url",
}  # fmt: skip


def answer(installation: Installation, link_id: str, secret: str, body: bytes) -> None:
    """Take what the app posts to a response_url; raises SlackError when Slack would not."""
    link = installation.use_response_url(link_id, secret)
    try:
        payload = json.loads(body)
    except ValueError:
        raise SlackError("invalid_payload") from None
    if not isinstance(payload, dict):
        raise SlackError("invalid_payload")
    with installation.world.lock:
        apply(installation, link, payload)


def apply(installation: Installation, link: ResponseUrl, body_: dict[str, Any]) -> None:
    """Post, replace or delete as the app says."""
    messages = installation.world.messages
    channel = installation.world.channels[link.channel_id]
    if body_.get("delete_original"):
        if link.ephemeral_id is not None:
            messages.dismiss_ephemeral(link.ephemeral_id)
        elif link.ts is not None and link.ts in channel.messages:
            messages.delete(channel.id, link.ts)
        return
    unknown = body_.keys() - _KNOWN
    if unknown:
        raise SlackError("invalid_payload")
    refused = coverage.argument("chat.postMessage", body_)
    if refused is not None:
        raise SlackError("not_covered", findings=[coverage.words(*refused)])
    what = content.of(Call("response_url", body_, installation))
    if what.is_empty:
        raise SlackError("no_text")
    changes: dict[str, Any] = {
        "text": what.text or "",
        "blocks": what.blocks or [],
        "attachments": what.attachments or [],
    }
    if body_.get("replace_original"):
        if link.ephemeral_id is not None and link.ephemeral_id in messages.ephemerals:
            messages.edit_ephemeral(link.ephemeral_id, **changes)
            return
        if link.ts is not None and link.ts in channel.messages:
            messages.edit(channel.id, link.ts, mark_edited=not what.blocks, **changes)
            return
    app = installation.world.app
    thread_ts = body_.get("thread_ts") or (link.thread_ts if link.ts or link.ephemeral_id else None)
    author: dict[str, Any] = {"bot_id": app.bot_id, "app_id": app.id, "thread_ts": thread_ts}
    if body_.get("response_type") == "in_channel":
        messages.post(
            channel.id, app.bot_user_id, metadata=what.metadata or None, **changes, **author
        )
    else:
        messages.post_ephemeral(channel.id, link.user_id, app.bot_user_id, **changes, **author)
