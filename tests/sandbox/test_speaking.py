"""What is said beyond plain messages: Markdown, mentions, reactions, links that are unfurled."""

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox import NotPossible, Sandbox
from tests.sandbox.conftest import EVERYTHING, MakeSandbox, client_of, of_type, refused

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


# --- Markdown ----------------------------------------------------------------------------------


def test_markdown_text_is_written_alone(whole: Sandbox, whole_app: WebClient) -> None:
    ts = whole_app.chat_postMessage(channel="C0GENERAL", markdown_text="**Due** today")["ts"]
    (message,) = whole.seat("U0ANA").messages("C0GENERAL")
    assert message.blocks[0]["type"] == "markdown"
    assert message.blocks[0]["text"] == message.text == "**Due** today"
    whole_app.chat_update(channel="C0GENERAL", ts=ts, markdown_text="x" * 12_000)
    whole_app.chat_postEphemeral(channel="C0GENERAL", user="U0ANA", markdown_text="_psst_")
    assert whole.seat("U0ANA").ephemerals()[0].text == "_psst_"


def test_markdown_text_beside_text_or_blocks_is_refused(whole_app: WebClient) -> None:
    ts = whole_app.chat_postMessage(channel="C0GENERAL", text="own")["ts"]
    places: dict[Any, dict[str, Any]] = {
        whole_app.chat_postMessage: {},
        whole_app.chat_update: {"ts": ts},
        whole_app.chat_postEphemeral: {"user": "U0ANA"},
    }
    for call, place in places.items():
        for beside in ({"text": "x"}, {"blocks": [{"type": "divider"}]}):
            arguments = place | beside | {"channel": "C0GENERAL", "markdown_text": "y"}
            assert refused(call, **arguments) == "markdown_text_conflict"
        arguments = place | {"channel": "C0GENERAL", "markdown_text": "y" * 12_001}
        assert refused(call, **arguments) == "msg_too_long"


def test_an_archived_channel_is_inactive_for_an_update(
    whole: Sandbox, whole_app: WebClient
) -> None:
    ts = whole_app.chat_postMessage(channel="C0GENERAL", text="own")["ts"]
    whole.world.archive("C0GENERAL")
    assert refused(whole_app.chat_update, channel="C0GENERAL", ts=ts, text="x") == "is_inactive"


# --- mentions ----------------------------------------------------------------------------------


def test_a_mention_of_the_app_is_an_event_beside_the_message(
    whole: Sandbox, heard: list[dict[str, Any]]
) -> None:
    ana = whole.seat("U0ANA")
    written = ana.say("C0GENERAL", "<@U0BOT> what is left?")
    ana.say("C0GENERAL", "<@U0BOB> not you")
    ana.say("C0OUTSIDE", "<@U0BOT> you aren't here")
    ana.say(ana.dm().id, "<@U0BOT> in private")
    assert whole.wait_idle()
    (mention,) = of_type(heard, "app_mention")
    assert mention["channel"] == "C0GENERAL"
    assert mention["ts"] == mention["event_ts"] == written.ts
    assert mention["user"] == "U0ANA"
    assert mention["text"] == "<@U0BOT> what is left?"
    assert "channel_type" not in mention
    told = {event["text"] for event in of_type(heard, "message")}
    assert told == {"<@U0BOT> what is left?", "<@U0BOB> not you", "<@U0BOT> in private"}


def test_an_app_that_is_fetched_after_a_mention_hears_the_mention(
    whole: Sandbox, heard: list[dict[str, Any]]
) -> None:
    ana = whole.seat("U0ANA")
    written = ana.say("C0OUTSIDE", "<@U0BOT> come here")
    assert ana.slash("/invite", "@helper", "C0OUTSIDE").ok
    assert whole.wait_idle()
    (joined,) = of_type(heard, "member_joined_channel")
    assert (joined["user"], joined["inviter"]) == ("U0BOT", "U0ANA")
    (mention,) = of_type(heard, "app_mention")
    assert (mention["channel"], mention["ts"]) == ("C0OUTSIDE", written.ts)


def test_without_the_scope_no_mention_is_heard(whole: Sandbox, heard: list[dict[str, Any]]) -> None:
    whole.faults.withhold_scope("app_mentions:read")
    whole.seat("U0ANA").say("C0GENERAL", "<@U0BOT> hello")
    assert whole.wait_idle()
    assert of_type(heard, "app_mention") == []
    assert len(of_type(heard, "message")) == 1


# --- reactions ---------------------------------------------------------------------------------


def test_reactions_come_and_go_with_their_events(
    whole: Sandbox, whole_app: WebClient, heard: list[dict[str, Any]]
) -> None:
    ts = whole_app.chat_postMessage(channel="C0GENERAL", text="own")["ts"]
    place = {"channel": "C0GENERAL", "timestamp": ts}
    ana = whole.seat("U0ANA")
    ana.react("C0GENERAL", ts, "thumbsup")
    whole_app.reactions_add(name="thumbsup", **place)
    whole_app.reactions_add(name="wave::skin-tone-3", **place)
    (shown,) = whole_app.conversations_history(channel="C0GENERAL")["messages"]
    assert shown["reactions"] == [
        {"name": "thumbsup", "users": ["U0ANA", "U0BOT"], "count": 2},
        {"name": "wave::skin-tone-3", "users": ["U0BOT"], "count": 1},
    ]
    whole_app.reactions_remove(name="wave::skin-tone-3", **place)
    ana.unreact("C0GENERAL", ts, "thumbsup")
    got = whole_app.reactions_get(**place)
    assert got["message"]["reactions"] == [{"name": "thumbsup", "users": ["U0BOT"], "count": 1}]
    assert got["message"]["permalink"].endswith(ts.replace(".", ""))
    (item,) = whole_app.reactions_list()["items"]
    assert (item["channel"], item["message"]["ts"]) == ("C0GENERAL", ts)
    assert whole_app.reactions_list(user="U0ANA")["items"] == []
    assert whole.wait_idle()
    item = {"type": "message", "channel": "C0GENERAL", "ts": ts}
    added = of_type(heard, "reaction_added")
    assert {(one["user"], one["reaction"]) for one in added} == {
        ("U0ANA", "thumbsup"),
        ("U0BOT", "thumbsup"),
        ("U0BOT", "wave::skin-tone-3"),
    }
    assert all(one["item"] == item and one["item_user"] == "U0BOT" for one in added)
    assert {one["user"] for one in of_type(heard, "reaction_removed")} == {"U0ANA", "U0BOT"}


def test_reactions_that_slack_refuses(whole: Sandbox, whole_app: WebClient) -> None:
    ts = whole_app.chat_postMessage(channel="C0GENERAL", text="own")["ts"]
    place = {"channel": "C0GENERAL", "timestamp": ts}
    whole_app.reactions_add(name="eyes", **place)
    add, remove = whole_app.reactions_add, whole_app.reactions_remove
    assert refused(add, name="eyes", **place) == "already_reacted"
    assert refused(add, name=":eyes:", **place) == "invalid_name"
    assert refused(add, name="x", **(place | {"timestamp": "now"})) == "bad_timestamp"
    missing = place | {"timestamp": "1.000001"}
    assert refused(add, name="x", **missing) == "message_not_found"
    assert refused(add, name="x", channel="C0GENERAL", timestamp="") == ("no_item_specified")
    assert refused(add, name="x", channel="C0NONE", timestamp=ts) == "channel_not_found"
    assert refused(remove, name="tada", **place) == "no_reaction"
    for n in range(22):
        whole_app.reactions_add(name=f"e{n}", **place)
    assert refused(add, name="one_more", **place) == "too_many_reactions"
    for user_id, letter in (("U0ANA", "a"), ("U0BOB", "b")):
        for n in range(14 if letter == "a" else 13):
            whole.seat(user_id).react("C0GENERAL", ts, f"{letter}{n}")
    whole_app.reactions_remove(name="e0", **place)
    whole.seat("U0ANA").react("C0GENERAL", ts, "fiftieth")
    assert refused(add, name="one_more", **place) == "too_many_emoji"
    whole_app.reactions_add(name="a0", **place)
    whole.world.archive("C0GENERAL")
    assert refused(add, name="tada", **place) == "is_archived"
    with pytest.raises(NotPossible):
        whole.seat("U0ANA").react("C0GENERAL", ts, "tada")
    with pytest.raises(NotPossible):
        whole.seat("U0GUEST").react("C0SHARED", "1.0", "tada")


# --- links -------------------------------------------------------------------------------------


def test_a_link_is_heard_of_and_unfurled(
    whole: Sandbox, whole_app: WebClient, heard: list[dict[str, Any]]
) -> None:
    ana = whole.seat("U0ANA")
    url = "https://wiki.example.com/a?b=1"
    written = ana.say("C0OUTSIDE", f"see <{url}|this>, or https://other.org/x.")
    ana.say("C0SECRET", url)
    whole_app.chat_postMessage(channel="C0GENERAL", text=f"my own {url}")
    assert whole.wait_idle()
    (shared,) = of_type(heard, "link_shared")
    assert shared["links"] == [{"domain": "example.com", "url": url}]
    assert shared["message_ts"] == written.ts
    assert (shared["user"], shared["channel"]) == ("U0ANA", "C0OUTSIDE")
    assert shared["is_bot_user_member"] is False
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "*A page*"}}
    whole_app.chat_unfurl(
        unfurl_id=shared["unfurl_id"], source=shared["source"], unfurls={url: {"blocks": [block]}}
    )
    (attachment,) = ana.messages("C0OUTSIDE")[0].attachments
    assert attachment["app_unfurl_url"] == url
    assert attachment["blocks"][0]["text"]["text"] == "*A page*"
    place = {"channel": "C0OUTSIDE", "ts": written.ts}
    whole_app.chat_unfurl(**place, unfurls={url: {"text": "again"}})
    message = ana.messages("C0OUTSIDE")[0]
    assert [one["text"] for one in message.attachments] == ["again"]
    assert message.edited is None


def test_unfurls_that_slack_refuses(
    make_sandbox: MakeSandbox, whole: Sandbox, whole_app: WebClient
) -> None:
    url = "https://example.com/a"
    ts = whole.seat("U0ANA").say("C0GENERAL", url).ts
    place = {"channel": "C0GENERAL", "ts": ts}
    good = {url: {"text": "x"}}
    for arguments, error in (
        (place | {"unfurls": {"https://other.org": {"text": "x"}}}, "cannot_unfurl_url"),
        (place | {"unfurls": {f"{url}b": {"text": "x"}}}, "cannot_unfurl_message"),
        (place | {"unfurls": {url: {}}}, "cannot_parse_attachment"),
        (place | {"unfurls": {url: {"blocks": [{}]}}}, "cannot_parse_attachment"),
        (place | {"unfurls": [url]}, "invalid_unfurls_format"),
        (place, "missing_unfurls"),
        (place | {"ts": "1.000001", "unfurls": good}, "cannot_find_message"),
        (place | {"channel": "C0SECRET", "unfurls": good}, "cannot_find_channel"),
        ({"ts": ts, "unfurls": good}, "missing_channel"),
        ({"channel": "C0GENERAL", "unfurls": good}, "missing_ts"),
        ({"unfurl_id": "x", "unfurls": good}, "missing_source"),
        ({"source": "composer", "unfurls": good}, "missing_unfurl_id"),
        ({"unfurl_id": "x", "source": "y", "unfurls": good}, "invalid_source"),
        (
            {"unfurl_id": "x", "source": "conversations_history", "unfurls": good},
            "invalid_unfurl_id",
        ),
    ):
        with pytest.raises(SlackApiError) as raised:
            whole_app.api_call("chat.unfurl", json=arguments)
        assert raised.value.response["error"] == error
    features = {k: v for k, v in EVERYTHING["features"].items() if "unfurl" not in k}
    other = make_sandbox(manifest=EVERYTHING | {"features": features})
    place["ts"] = other.seat("U0ANA").say("C0GENERAL", url).ts
    assert refused(client_of(other).chat_unfurl, **place, unfurls=good) == ("cannot_find_service")


def test_a_video_is_shown_from_the_apps_own_domains(whole: Sandbox, whole_app: WebClient) -> None:
    def video(url: str) -> list[dict[str, Any]]:
        title = {"type": "plain_text", "text": "How"}
        thumbnail = "https://example.com/a.png"
        return [
            {"type": "video", "title": title, "alt_text": "How", "video_url": url}
            | {"thumbnail_url": thumbnail}
        ]

    good = video("https://tv.example.com/embed/1")
    whole_app.chat_postMessage(channel="C0GENERAL", text="x", blocks=good)
    for url in ("https://other.org/1", "http://tv.example.com/embed/1"):
        arguments = {"channel": "C0GENERAL", "text": "x", "blocks": video(url)}
        assert refused(whole_app.chat_postMessage, **arguments) == "invalid_blocks"
    whole.faults.withhold_scope("links.embed:write")
    arguments = {"channel": "C0GENERAL", "text": "x", "blocks": good}
    assert refused(whole_app.chat_postMessage, **arguments) == "invalid_blocks"
