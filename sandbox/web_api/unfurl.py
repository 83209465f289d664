"""chat.unfurl: what an app adds to the links of its domains."""

from typing import Any

from sandbox import unfurling
from sandbox.blocks import check
from sandbox.channels import Message
from sandbox.errors import SlackError
from sandbox.web_api.call import Answer, Call

SOURCES = ("composer", "conversations_history")


def unfurl(call: Call) -> Answer:
    """chat.unfurl, by `channel` and `ts` or by `unfurl_id` and `source`; unfurling a link again replaces it."""
    domains = call.installation.manifest.unfurl_domains
    message = _message(call)
    if not domains:
        raise SlackError("cannot_find_service")
    raw = call.args.get("unfurls")
    if raw is None or raw == "":
        raise SlackError("missing_unfurls")
    unfurls = call.json("unfurls", "invalid_unfurls_format")
    if not isinstance(unfurls, dict) or not unfurls:
        raise SlackError("invalid_unfurls_format")
    present = unfurling.urls_in(message.text)
    attachments: dict[str, dict[str, Any]] = {}
    for url, content in unfurls.items():
        if unfurling.domain_of(url, domains) is None:
            raise SlackError("cannot_unfurl_url")
        if url not in present:
            raise SlackError("cannot_unfurl_message")
        attachments[url] = _attachment(call, url, content)
    call.world.messages.unfurl(message.channel_id, message.ts, attachments)
    return {"ok": True}


def _message(call: Call) -> Message:
    """The message that is meant, in a conversation that the app can know of."""
    if call.text("unfurl_id") or call.text("source"):
        channel_id, ts = _by_id(call)
    else:
        channel_id, ts = call.text("channel"), call.text("ts")
        if not channel_id:
            raise SlackError("missing_channel")
        if not ts:
            raise SlackError("missing_ts")
    channel = call.world.channels.get(channel_id)
    if channel is None or not call.sees(channel):
        raise SlackError("cannot_find_channel")
    message = channel.messages.get(ts)
    if message is None:
        raise SlackError("cannot_find_message")
    return message


def _by_id(call: Call) -> tuple[str, str]:
    source = call.text("source")
    if not call.text("unfurl_id"):
        raise SlackError("missing_unfurl_id")
    if not source:
        raise SlackError("missing_source")
    if source not in SOURCES:
        raise SlackError("invalid_source")
    place = unfurling.place_of(call.text("unfurl_id"))
    # Nothing is ever unfurled while it's typed: such ids are not given out.
    if place is None or source == "composer":
        raise SlackError("invalid_unfurl_id")
    return place


def _attachment(call: Call, url: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or not content:
        raise SlackError("cannot_parse_attachment")
    attachment = dict(content)
    if attachment.get("blocks") is not None:
        try:
            attachment["blocks"] = check.message_blocks(
                attachment["blocks"], call.installation.shows
            )
        except SlackError as error:
            raise SlackError("cannot_parse_attachment", findings=error.findings) from None
    app = call.world.app
    return attachment | {
        "from_url": url,
        "app_unfurl_url": url,
        "is_app_unfurl": True,
        "app_id": app.id,
        "bot_id": app.bot_id,
    }
