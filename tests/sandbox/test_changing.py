"""What an app changes beyond messages: channels, files, and who it asks about."""

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox import Sandbox
from sandbox.org import User
from tests.sandbox.conftest import EVERYTHING, MakeSandbox, client_of, of_type, refused

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


# --- channels ----------------------------------------------------------------------------------


def test_a_channel_is_made_filled_and_given_a_topic(
    whole: Sandbox, whole_app: WebClient, heard: list[dict[str, Any]]
) -> None:
    made = whole_app.conversations_create(name="ml-new")["channel"]
    assert (made["name"], made["is_member"], made["creator"]) == ("ml-new", True, "U0BOT")
    whole_app.conversations_invite(channel=made["id"], users="U0ANA,U0BOB")
    topic = whole_app.conversations_setTopic(channel=made["id"], topic="what is new")
    assert topic["channel"]["topic"]["value"] == "what is new"
    assert topic["channel"]["topic"]["creator"] == "U0BOT"
    assert whole.wait_idle()
    (created,) = of_type(heard, "channel_created")
    assert created["channel"]["id"] == made["id"]
    assert created["channel"]["creator"] == "U0BOT"
    joined = {(one["user"], one["inviter"]) for one in of_type(heard, "member_joined_channel")}
    assert joined == {("U0ANA", "U0BOT"), ("U0BOB", "U0BOT")}
    (said,) = of_type(heard, "message")
    assert (said["subtype"], said["topic"]) == ("channel_topic", "what is new")
    private = whole_app.conversations_create(name="ml-quiet", is_private=True)["channel"]
    assert private["is_private"] is True
    assert whole.wait_idle()
    assert len(of_type(heard, "channel_created")) == 1


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("general", "name_taken"),
        ("secret", "name_taken"),
        ("", "invalid_name_required"),
        ("x" * 81, "invalid_name_maxlength"),
        ("--_", "invalid_name_punctuation"),
        ("Upper", "invalid_name_specials"),
        ("two words", "invalid_name_specials"),
        ("a.b", "invalid_name_specials"),
    ],
)
def test_names_that_no_channel_can_have(whole_app: WebClient, name: str, error: str) -> None:
    assert refused(whole_app.conversations_create, name=name) == error


def test_who_cannot_be_invited(whole: Sandbox, whole_app: WebClient) -> None:
    invite = whole_app.conversations_invite
    for users, error in (
        ("U0ANA", "already_in_channel"),
        ("U0BOT", "cant_invite_self"),
        ("U0NONE", "user_not_found"),
        ("U0GONE", "cant_invite"),
        ("U0FAR", "no_external_invite_permission"),
        ("", "no_user"),
    ):
        assert refused(invite, channel="C0GENERAL", users=users) == error
    for channel, error in (
        ("C0OUTSIDE", "not_in_channel"),
        ("C0SECRET", "channel_not_found"),
        ("C0OLD", "is_archived"),
        (whole.seat("U0ANA").dm().id, "method_not_supported_for_channel_type"),
    ):
        assert refused(invite, channel=channel, users="U0BOB") == error
    single = User("U0ONE", "T0ACME", "one", "One", is_ultra_restricted=True)
    whole.world.add_user(single)
    invite(channel="C0GENERAL", users="U0ONE")
    assert refused(invite, channel="C0PRIVATE", users="U0ONE") == "ura_max_channels"


def test_one_who_cannot_come_keeps_the_others_out_unless_forced(whole_app: WebClient) -> None:
    with pytest.raises(SlackApiError) as raised:
        whole_app.conversations_invite(channel="C0PRIVATE", users="U0NONE,U0BOB")
    answer = raised.value.response
    assert answer["error"] == "user_not_found"
    assert answer["errors"] == [{"user": "U0NONE", "ok": False, "error": "user_not_found"}]
    assert whole_app.conversations_members(channel="C0PRIVATE")["members"] == ["U0ANA", "U0BOT"]
    forced = whole_app.conversations_invite(channel="C0PRIVATE", users="U0NONE,U0BOB", force=True)
    assert forced["errors"][0]["user"] == "U0NONE"
    assert "U0BOB" in whole_app.conversations_members(channel="C0PRIVATE")["members"]


def test_topics_that_slack_refuses(whole_app: WebClient) -> None:
    topic = whole_app.conversations_setTopic
    assert refused(topic, channel="C0GENERAL", topic="x" * 251) == "too_long"
    assert refused(topic, channel="C0OUTSIDE", topic="x") == "not_in_channel"
    assert refused(topic, channel="C0OLD", topic="x") == "is_archived"
    with pytest.raises(SlackApiError) as raised:
        whole_app.api_call("conversations.setTopic", json={"channel": "C0GENERAL"})
    assert raised.value.response["error"] == "invalid_arguments"


def test_channels_are_changed_with_the_scope_of_their_kind(make_sandbox: MakeSandbox) -> None:
    scopes = ["channels:manage", "channels:read", "groups:read", "chat:write"]
    manifest = EVERYTHING | {"oauth_config": {"scopes": {"bot": scopes}}}
    client = client_of(make_sandbox(manifest=manifest))
    client.conversations_create(name="open")
    assert refused(client.conversations_create, name="shut", is_private=True) == ("missing_scope")
    client.conversations_setTopic(channel="C0GENERAL", topic="x")
    private = {"channel": "C0PRIVATE"}
    assert refused(client.conversations_setTopic, topic="x", **private) == ("missing_scope")
    assert refused(client.conversations_invite, users="U0BOB", **private) == ("missing_scope")


def test_archiving_is_heard(whole: Sandbox, heard: list[dict[str, Any]]) -> None:
    whole.world.archive("C0OUTSIDE")
    whole.world.archive("C0OUTSIDE")
    whole.world.archive("C0OUTSIDE", archived=False)
    whole.world.archive("C0PRIVATE")
    whole.world.archive("C0SECRET")
    assert whole.wait_idle()
    assert sorted((event["type"], event["channel"]) for event in heard) == [
        ("channel_archive", "C0OUTSIDE"),
        ("channel_unarchive", "C0OUTSIDE"),
        ("group_archive", "C0PRIVATE"),
    ]


# --- files -------------------------------------------------------------------------------------


def test_files_are_listed_by_what_they_are_and_where(whole: Sandbox, whole_app: WebClient) -> None:
    picture = whole_app.files_upload_v2(file=PNG, filename="plot.png", channel="C0GENERAL")
    ana = whole.seat("U0ANA")
    ana.share("C0GENERAL", "bill.pdf", b"%PDF-1.7")
    ana.share("C0OUTSIDE", "hidden.pdf", b"%PDF-1.7")
    listed = whole_app.files_list()
    assert [file["name"] for file in listed["files"]] == ["bill.pdf", "plot.png"]
    assert listed["paging"] == {"count": 100, "total": 2, "page": 1, "pages": 1}
    second = whole_app.files_list(count=1, page=2)
    assert [file["id"] for file in second["files"]] == [picture["file"]["id"]]
    assert second["paging"]["pages"] == 2
    for arguments, names in (
        ({"types": "images"}, ["plot.png"]),
        ({"types": "pdfs,zips"}, ["bill.pdf"]),
        ({"user": "U0ANA"}, ["bill.pdf"]),
        ({"channel": "C0PRIVATE"}, []),
        ({"ts_to": "1000"}, []),
    ):
        files = whole_app.files_list(**arguments)["files"]
        assert [file["name"] for file in files] == names
    assert refused(whole_app.files_list, types="films") == "unknown_type"
    assert refused(whole_app.files_list, user="U0NONE") == "user_not_found"


def test_a_deleted_file_leaves_a_tombstone(
    whole: Sandbox, whole_app: WebClient, heard: list[dict[str, Any]]
) -> None:
    made = whole_app.files_upload_v2(file=PNG, filename="plot.png", channel="C0GENERAL")
    own = made["file"]["id"]
    (theirs,) = whole.seat("U0ANA").share("C0GENERAL", "b.pdf", b"%PDF").file_ids
    (hidden,) = whole.seat("U0ANA").share("C0OUTSIDE", "b.pdf", b"%PDF").file_ids
    assert refused(whole_app.files_delete, file=theirs) == "cant_delete_file"
    assert refused(whole_app.files_delete, file=hidden) == "file_not_found"
    whole_app.files_delete(file=own)
    assert refused(whole_app.files_delete, file=own) == "file_deleted"
    assert refused(whole_app.files_info, file=own) == "file_deleted"
    assert refused(whole_app.files_info, file="F0NEVER00") == "file_not_found"
    shown = whole_app.conversations_history(channel="C0GENERAL")["messages"]
    assert {"id": own, "mode": "tombstone"} in [
        file for message in shown for file in message.get("files", ())
    ]
    image = {"type": "image", "slack_file": {"id": own}, "alt_text": "a"}
    assert refused(whole_app.chat_postMessage, channel="C0GENERAL", text="x", blocks=[image]) == (
        "invalid_blocks"
    )
    assert whole.wait_idle()
    assert {event["file_id"] for event in of_type(heard, "file_shared")} == {own, theirs}
    assert [event["file_id"] for event in of_type(heard, "file_deleted")] == [own]


def test_a_file_can_be_shared_in_a_thread(whole: Sandbox, whole_app: WebClient) -> None:
    root = whole_app.chat_postMessage(channel="C0GENERAL", text="root")["ts"]
    whole_app.files_upload_v2(file=PNG, filename="plot.png", channel="C0GENERAL", thread_ts=root)
    (reply,) = whole.seat("U0ANA").replies("C0GENERAL", root)
    assert len(reply.file_ids) == 1


# --- who there is ------------------------------------------------------------------------------


def test_api_test_needs_no_token(whole: Sandbox) -> None:
    nobody = WebClient(base_url=whole.api_url, retry_handlers=[])
    assert nobody.api_test(foo="bar")["args"]["foo"] == "bar"
    with pytest.raises(SlackApiError) as raised:
        nobody.api_test(error="my_error")
    assert raised.value.response["error"] == "my_error"
    assert raised.value.response["args"] == {"error": "my_error"}


def test_the_team_the_bot_and_profiles(whole: Sandbox, whole_app: WebClient) -> None:
    team = whole_app.team_info()["team"]
    assert (team["id"], team["name"], team["domain"]) == ("T0ACME", "Acme", "acme")
    assert refused(whole_app.team_info, team="T0OTHER") == "team_not_found"
    assert refused(whole_app.team_info, domain="acme") == "team_not_on_enterprise"
    bot = whole_app.bots_info(bot="B0BOT")["bot"]
    assert (bot["user_id"], bot["app_id"]) == ("U0BOT", "A0APP")
    assert refused(whole_app.bots_info, bot="B0NONE") == "bot_not_found"
    profile = whole_app.users_profile_get(user="U0ANA")["profile"]
    assert profile["real_name"] == "Ana Costa"
    assert profile["email"] == "ana@acme.test"
    assert whole_app.users_profile_get()["profile"]["api_app_id"] == "A0APP"
    whole.faults.withhold_scope("users:read.email")
    assert "email" not in whole_app.users_profile_get(user="U0ANA")["profile"]
    assert refused(whole_app.users_profile_get, user="U0NONE") == "user_not_found"


def test_whoever_joins_the_workspace_is_heard_of(
    whole: Sandbox, heard: list[dict[str, Any]]
) -> None:
    whole.world.add_user(User("U0NEW", "T0ACME", "nia", "Nia", email="nia@acme.test"))
    whole.world.add_user(User("U0STRANGE", "T0OTHER", "sid", "Sid"))
    assert whole.wait_idle()
    (event,) = of_type(heard, "team_join")
    assert event["user"]["id"] == "U0NEW"
    assert event["user"]["profile"]["email"] == "nia@acme.test"
