"""Slack's Web API over real HTTP, through Slack's own client."""

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox import Sandbox
from tests.sandbox.conftest import client_of


def refused(call: Any, **arguments: Any) -> str:
    """The error code that Slack's client raises for this call."""
    with pytest.raises(SlackApiError) as raised:
        call(**arguments)
    return str(raised.value.response["error"])


def test_auth_test_says_who_the_app_is_and_what_it_may(client: WebClient) -> None:
    answer = client.auth_test()
    assert answer["user_id"] == "U0BOT"
    assert answer["bot_id"] == "B0BOT"
    assert answer["team_id"] == "T0ACME"
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


def test_a_posted_message_is_read_back_with_its_metadata(client: WebClient) -> None:
    metadata = {"event_type": "note", "event_payload": {"k": "a:1"}}
    posted = client.chat_postMessage(
        channel="C0GENERAL", text="hello", metadata=metadata, client_msg_id="c-1"
    )
    plain = client.conversations_history(channel="C0GENERAL")["messages"]
    full = client.conversations_history(channel="C0GENERAL", include_all_metadata=True)["messages"]
    assert [one["ts"] for one in plain] == [posted["ts"]]
    assert "metadata" not in plain[0]
    assert full[0]["metadata"] == metadata
    assert full[0]["bot_id"] == "B0BOT"
    assert full[0]["client_msg_id"] == "c-1"


def test_history_is_newest_first_within_its_bounds_and_in_pages(client: WebClient) -> None:
    stamps = [client.chat_postMessage(channel="C0GENERAL", text=str(n))["ts"] for n in range(5)]
    assert stamps == sorted(set(stamps))

    def seen(**arguments: Any) -> list[str]:
        return [
            one["ts"]
            for one in client.conversations_history(channel="C0GENERAL", **arguments)["messages"]
        ]

    assert seen() == stamps[::-1]
    assert seen(oldest=stamps[1], latest=stamps[3]) == [stamps[2]]
    assert seen(oldest=stamps[1], latest=stamps[3], inclusive=True) == stamps[3:0:-1]
    pages = [
        [one["ts"] for one in page["messages"]]
        for page in client.conversations_history(channel="C0GENERAL", limit=2)
    ]
    assert pages == [stamps[:2:-1], stamps[2:0:-1], stamps[:1]]


def test_replies_stand_in_the_thread_only(client: WebClient) -> None:
    root = client.chat_postMessage(channel="C0GENERAL", text="root")["ts"]
    first = client.chat_postMessage(channel="C0GENERAL", text="one", thread_ts=root)["ts"]
    second = client.chat_postMessage(channel="C0GENERAL", text="two", thread_ts=root)["ts"]
    history = client.conversations_history(channel="C0GENERAL")["messages"]
    thread = client.conversations_replies(channel="C0GENERAL", ts=root)["messages"]
    assert [one["ts"] for one in history] == [root]
    assert history[0]["reply_count"] == 2
    assert [one["ts"] for one in thread] == [root, first, second]
    late = client.conversations_replies(channel="C0GENERAL", ts=root, oldest=first)["messages"]
    assert [one["ts"] for one in late] == [root, second]
    assert refused(client.conversations_replies, channel="C0GENERAL", ts="1.0") == (
        "thread_not_found"
    )
    assert (
        refused(client.chat_postMessage, channel="C0GENERAL", text="x", thread_ts=first)
        == "cannot_reply_to_message"
    )


def test_an_update_replaces_what_is_shown(client: WebClient, sandbox: Sandbox) -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "b"}}
    metadata = {"event_type": "note", "event_payload": {"k": 1}}
    ts = client.chat_postMessage(channel="C0GENERAL", text="a", blocks=[block], metadata=metadata)[
        "ts"
    ]
    client.chat_update(channel="C0GENERAL", ts=ts, text="c", blocks=[block])
    message = sandbox.seat("U0ANA").messages("C0GENERAL")[0]
    assert message.text == "c"
    assert message.edited is None
    assert message.metadata == metadata
    client.chat_update(channel="C0GENERAL", ts=ts, text="d", metadata={})
    message = sandbox.seat("U0ANA").messages("C0GENERAL")[0]
    assert message.blocks == []
    assert message.edited is not None
    assert message.metadata is None


def test_what_is_not_the_apps_cannot_be_changed(client: WebClient, sandbox: Sandbox) -> None:
    said = sandbox.seat("U0ANA").say("C0GENERAL", "mine").ts
    own = client.chat_postMessage(channel="C0GENERAL", text="own")["ts"]
    assert refused(client.chat_update, channel="C0GENERAL", ts=said, text="x") == (
        "cant_update_message"
    )
    assert refused(client.chat_delete, channel="C0GENERAL", ts=said) == "cant_delete_message"
    assert refused(client.chat_update, channel="C0GENERAL", ts="1.000000", text="x") == (
        "message_not_found"
    )
    assert refused(client.chat_update, channel="C0GENERAL", ts=own, text="x" * 4001) == (
        "msg_too_long"
    )
    client.chat_delete(channel="C0GENERAL", ts=own)
    assert refused(client.chat_delete, channel="C0GENERAL", ts=own) == "message_not_found"


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("C0OUTSIDE", "not_in_channel"),
        ("C0SECRET", "channel_not_found"),
        ("C0NOWHERE", "channel_not_found"),
        ("C0OLD", "is_archived"),
        ("U0GONE", "user_disabled"),
        ("U0FAR", "user_not_visible"),
    ],
)
def test_posting_where_the_app_cannot(client: WebClient, channel: str, error: str) -> None:
    assert refused(client.chat_postMessage, channel=channel, text="x") == error


def test_a_message_needs_something_in_it(client: WebClient) -> None:
    assert (
        refused(client.chat_postMessage, channel="C0GENERAL", text="", attachments=[]) == "no_text"
    )


def test_a_channel_can_be_joined_and_then_written_in(client: WebClient) -> None:
    client.conversations_join(channel="C0OUTSIDE")
    client.chat_postMessage(channel="C0OUTSIDE", text="here")
    assert "U0BOT" in client.conversations_members(channel="C0OUTSIDE")["members"]
    assert refused(client.conversations_join, channel="C0OLD") == "is_archived"
    assert refused(client.conversations_join, channel="C0PRIVATE") == (
        "method_not_supported_for_channel_type"
    )


def test_a_direct_conversation_opens_once(client: WebClient) -> None:
    first = client.conversations_open(users="U0ANA", return_im=True)
    again = client.conversations_open(users="U0ANA")
    assert first["channel"]["user"] == "U0ANA"
    assert again["channel"]["id"] == first["channel"]["id"]
    assert again["already_open"] is True
    by_user = client.chat_postMessage(channel="U0ANA", text="hello")
    assert by_user["channel"] == first["channel"]["id"]
    several = client.conversations_open(users="U0ANA,U0BOB")["channel"]["id"]
    assert client.conversations_info(channel=several)["channel"]["is_mpim"] is True


def test_an_ephemeral_message_is_seen_by_one_member(client: WebClient, sandbox: Sandbox) -> None:
    client.chat_postEphemeral(channel="C0GENERAL", user="U0ANA", text="psst")
    assert [one.text for one in sandbox.seat("U0ANA").ephemerals()] == ["psst"]
    assert sandbox.seat("U0BOB").ephemerals() == []
    assert sandbox.seat("U0ANA").messages("C0GENERAL") == []
    assert (
        refused(client.chat_postEphemeral, channel="C0GENERAL", user="U0GUEST", text="x")
        == "user_not_in_channel"
    )


def test_lists_come_in_pages(client: WebClient) -> None:
    pages = [[one["id"] for one in page["members"]] for page in client.users_list(limit=2)]
    assert pages == [["U0BOT", "U0ANA"], ["U0BOB", "U0GUEST"], ["U0GONE"]]
    channels = client.conversations_list(types="public_channel,private_channel")["channels"]
    # Not the private one that the app is not in.
    assert {one["id"] for one in channels} == {
        "C0GENERAL",
        "C0OUTSIDE",
        "C0PRIVATE",
        "C0OLD",
        "C0SHARED",
    }
    assert refused(client.users_list, cursor="bm9uc2Vuc2U=") == "invalid_cursor"
    assert refused(client.conversations_list, limit=1001) == "invalid_limit"
    own = client.users_conversations(exclude_archived=True)["channels"]
    assert {one["id"] for one in own} == {"C0GENERAL", "C0SHARED"}


def test_people_are_described_as_slack_does(client: WebClient) -> None:
    ana = client.users_info(user="U0ANA")["user"]
    assert ana["profile"]["email"] == "ana@acme.test"
    assert ana["tz"] == "Europe/London"
    assert client.users_info(user="U0BOB")["user"]["tz_offset"] == 9 * 3600
    assert client.users_info(user="U0GUEST")["user"]["is_restricted"] is True
    assert client.users_info(user="U0GONE")["user"]["deleted"] is True
    # A stranger shares no channel with the app; the other one does.
    near, far = (
        client.users_info(user="U0STRANGER")["user"],
        client.users_info(user="U0FAR")["user"],
    )
    assert near["team_id"] == "T0OTHER"
    assert near["is_stranger"] is False
    assert far["is_stranger"] is True
    assert refused(client.users_info, user="U0NOBODY") == "user_not_found"
    assert client.users_lookupByEmail(email="ANA@acme.test")["user"]["id"] == "U0ANA"
    assert refused(client.users_lookupByEmail, email="gone@acme.test") == "users_not_found"


def test_user_groups(client: WebClient) -> None:
    groups = client.usergroups_list(include_users=True)["usergroups"]
    assert [(one["id"], one["handle"]) for one in groups] == [("S0FIN", "finance")]
    assert client.usergroups_users_list(usergroup="S0FIN")["users"] == ["U0ANA"]
    assert refused(client.usergroups_users_list, usergroup="S0NONE") == "no_such_subteam"


def test_a_permalink_leads_to_the_message(client: WebClient) -> None:
    ts = client.chat_postMessage(channel="C0GENERAL", text="x")["ts"]
    link = client.chat_getPermalink(channel="C0GENERAL", message_ts=ts)["permalink"]
    assert link == f"https://acme.slack.com/archives/C0GENERAL/p{ts.replace('.', '')}"


def test_tokens(sandbox: Sandbox) -> None:
    assert refused(client_of(sandbox, "xoxb-wrong").auth_test) == "invalid_auth"
    assert refused(client_of(sandbox, " ").auth_test) == "not_authed"
    assert refused(client_of(sandbox, sandbox.app_token).users_list) == "not_allowed_token_type"
    assert (
        refused(client_of(sandbox).apps_connections_open, app_token=sandbox.bot_token)
        == "not_allowed_token_type"
    )
    sandbox.faults.revoke_token()
    assert refused(client_of(sandbox).auth_test) == "token_revoked"


def test_an_unknown_method(client: WebClient) -> None:
    with pytest.raises(SlackApiError) as raised:
        client.api_call("chat.shout")
    assert raised.value.response.data == {
        "ok": False,
        "error": "unknown_method",
        "req_method": "chat.shout",
    }


def test_a_scope_that_is_missing_is_named(sandbox: Sandbox, client: WebClient) -> None:
    client.conversations_history(channel="C0GENERAL")
    sandbox.faults.withhold_scope("channels:history")
    with pytest.raises(SlackApiError) as raised:
        client.conversations_history(channel="C0GENERAL")
    answer = raised.value.response
    assert answer["error"] == "missing_scope"
    assert answer["needed"] == "channels:history"
    assert "chat:write" in answer["provided"].split(",")
    assert "channels:history" not in client.auth_test().headers["x-oauth-scopes"]
    client.conversations_history(channel="C0PRIVATE")
    assert refused(client.chat_postMessage, channel="C0GENERAL", text="x", username="Eve") == (
        "missing_scope"
    )
