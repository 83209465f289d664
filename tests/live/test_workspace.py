"""Against a live workspace, for whoever asks for it: what Slack does with a message that is sent twice.

MLGOV_LIVE_TOKEN is a bot token with chat:write and the history scope of the channel; MLGOV_LIVE_CHANNEL is the id of a
channel that the bot is in. The test deletes what it posts.
"""

import os
import time
import uuid

import pytest
from slack_sdk import WebClient

TOKEN, CHANNEL = (os.environ.get("MLGOV_LIVE_TOKEN"), os.environ.get("MLGOV_LIVE_CHANNEL"))

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(
        not (TOKEN and CHANNEL),
        reason="set MLGOV_LIVE_TOKEN and MLGOV_LIVE_CHANNEL to try it against a real workspace",
    ),
]


def test_our_mark_comes_back_and_a_second_sending_is_told() -> None:
    slack, channel = WebClient(token=TOKEN, retry_handlers=[]), str(CHANNEL)
    mark, sent = uuid.uuid4().hex, []
    message = {
        "channel": channel,
        "text": "mlgov tries a message that is sent twice",
        "metadata": {"event_type": "mlgov_message", "event_payload": {"k": mark}},
        "client_msg_id": str(uuid.uuid4()),
    }
    try:
        sent.append(slack.chat_postMessage(**message)["ts"])
        sent.append(slack.chat_postMessage(**message)["ts"])
        time.sleep(2)
        found = slack.conversations_history(
            channel=channel, oldest=sent[0], inclusive=True, include_all_metadata=True
        )["messages"]
        marks = [
            one["ts"]
            for one in found
            if one.get("metadata", {}).get("event_payload", {}).get("k") == mark
        ]
        assert sent[0] in marks, "metadata does not come back: look-ups cannot work"
        assert set(marks) == set(sent), "history shows other copies than were answered"
    finally:
        for ts in set(sent):
            slack.chat_delete(channel=channel, ts=ts)
