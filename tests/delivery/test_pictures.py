"""Pictures come with their words, once each; whatever happens to them, the words arrive."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.delivery.loop import Delivery
from sandbox.server import Sandbox
from storage.db import Database
from tests.delivery import workplace
from tests.delivery.workplace import CHANNELS, Drawn, channel, retitle
from workflows import clock, outbox
from workflows.outbox import Subject

pytestmark = pytest.mark.slow

Make = Callable[..., Delivery]
ROOM = CHANNELS[0]
PATIENT = replace(workplace.PACE, lease=20)
"""Pictures get their time also on a machine that is busy with other things."""


def post(database: Database, *rooms: str) -> None:
    """Send the view with a picture of Ana's title."""
    with database.begin() as session:
        for room in rooms:
            outbox.post(
                session,
                Drawn("p-U0ANA"),
                to=channel(room),
                dedupe_key=room,
                now=clock.now(session),
                subject=Subject("person", "p-U0ANA"),
            )


def change(database: Database, title: str) -> None:
    """The record changes, and every copy follows."""
    with database.begin() as session:
        retitle(session, "p-U0ANA", title, clock.now(session))


def uploads(slack: Sandbox) -> int:
    """How many files the bot finished uploading."""
    return len(slack.inspector.calls("files.completeUploadExternal"))


def in_words(slack: Sandbox, room: str) -> bool:
    """Whether the newest message there says its picture in words."""
    with slack.world.lock:
        message = list(slack.world.channels[room].messages.values())[-1]
    return [block["type"] for block in message.blocks] == ["section", "context"]


def test_a_picture_is_uploaded_once_and_shown_everywhere(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make(pace=PATIENT)
    post(database, *CHANNELS[:5], "U0BEN")
    assert delivery.drain(30)
    for room in CHANNELS[:5]:
        assert workplace.pictured(slack, room) == ["It is first"]
    assert workplace.pictured(slack, slack.seat("U0BEN").dm().id) == ["It is first"]
    assert uploads(slack) == 1
    (file,) = (one for one in slack.world.files.all())
    assert file.alt_text == "The title is first"
    assert file.shared_in == []


def test_an_edit_brings_the_new_picture_and_an_equal_one_makes_no_call(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    assert delivery.drain(30)
    change(database, "second")
    assert delivery.drain(30)
    assert workplace.pictured(slack, ROOM) == ["It is second"]
    assert uploads(slack) == 2
    edits = len(slack.inspector.calls("chat.update"))
    change(database, "second")
    assert delivery.drain(30)
    assert len(slack.inspector.calls("chat.update")) == edits
    change(database, "first")
    assert delivery.drain(30)
    assert workplace.pictured(slack, ROOM) == ["It is first"]
    assert uploads(slack) == 2


def test_home_shows_a_picture(database: Database, slack: Sandbox, make: Make) -> None:
    delivery = make(pace=PATIENT)
    with database.begin() as session:
        now = clock.now(session)
        outbox.publish_home(session, "p-U0ANA", to=channel("U0ANA"), now=now)
    assert delivery.drain(30)
    view = slack.seat("U0ANA").home()
    assert view is not None
    assert slack.world.files.shows(view.blocks[1]["slack_file"])


def test_without_the_scope_the_words_arrive_and_slack_is_asked_once(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.withhold_scope("files:write")
    delivery = make(pace=PATIENT)
    post(database, *CHANNELS[:3])
    assert delivery.drain(30)
    for room in CHANNELS[:3]:
        assert in_words(slack, room)
    assert len(slack.inspector.calls("files.getUploadURLExternal")) <= 3
    asked = len(slack.inspector.calls("files.getUploadURLExternal"))
    post(database, CHANNELS[4])
    assert delivery.drain(30)
    assert in_words(slack, CHANNELS[4])
    assert len(slack.inspector.calls("files.getUploadURLExternal")) == asked


def test_the_next_edit_tries_a_picture_again(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make(pace=PATIENT)
    slack.faults.fail_before("upload")
    post(database, ROOM)
    assert delivery.drain(30)
    assert in_words(slack, ROOM)
    change(database, "first")
    assert delivery.drain(30)
    assert in_words(slack, ROOM)
    assert not slack.inspector.calls("chat.update")
    slack.faults.clear()
    change(database, "first")
    assert delivery.drain(30)
    assert workplace.pictured(slack, ROOM) == ["It is first"]


def test_one_failure_is_tried_again_at_once(database: Database, slack: Sandbox, make: Make) -> None:
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    for step in ("files.getUploadURLExternal", "upload", "files.completeUploadExternal"):
        slack.faults.fail_before(step, count=1)
        change(database, step)
        assert delivery.drain(30)
        assert workplace.pictured(slack, ROOM) == [f"It is {step}"]


def test_slack_may_need_a_moment_to_look_at_a_picture(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.file_lag = 0.05
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    assert delivery.drain(30)
    assert workplace.pictured(slack, ROOM) == ["It is first"]


def test_the_words_do_not_wait_for_a_slow_look(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.file_lag = 60
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    assert delivery.drain(30)
    assert in_words(slack, ROOM)


def test_without_leave_to_read_files_a_picture_is_tried(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.withhold_scope("files:read")
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    assert delivery.drain(30)
    assert workplace.pictured(slack, ROOM) == ["It is first"]
    slack.faults.file_lag = 60
    change(database, "second")
    assert delivery.drain(30)
    assert in_words(slack, ROOM)


def test_a_file_that_is_gone_is_uploaded_anew(
    database: Database, slack: Sandbox, make: Make
) -> None:
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    assert delivery.drain(30)
    slack.world.files.delete_all()
    post(database, CHANNELS[1])
    assert delivery.drain(30)
    assert in_words(slack, CHANNELS[1])
    change(database, "first")
    assert delivery.drain(30)
    assert workplace.pictured(slack, CHANNELS[1]) == ["It is first"]
    assert uploads(slack) == 2


def test_a_limit_makes_it_wait_and_not_fail(database: Database, slack: Sandbox, make: Make) -> None:
    slack.faults.rate_limit("files.getUploadURLExternal", retry_after=1, count=1)
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    assert delivery.drain(30)
    assert workplace.pictured(slack, ROOM) == ["It is first"]
    slack.faults.rate_limit("files.getUploadURLExternal", retry_after=600)
    change(database, "second")
    assert delivery.drain(30)
    assert in_words(slack, ROOM)


def test_many_uploads_keep_slacks_pace(database: Database, slack: Sandbox, make: Make) -> None:
    delivery = make(pace=PATIENT)
    post(database, ROOM)
    for number in range(60):
        change(database, f"n{number}")
        if number % 6 == 0:
            assert delivery.drain(30)
    assert delivery.drain(20)
    assert workplace.pictured(slack, ROOM) == ["It is n59"]
    for method in ("getUploadURLExternal", "completeUploadExternal", "info"):
        assert not [call for call in slack.inspector.calls(f"files.{method}") if call.status == 429]


def test_a_picture_that_takes_too_long_is_left_out(
    database: Database, slack: Sandbox, make: Make
) -> None:
    slack.faults.slow("upload", seconds=0.3)
    delivery = make(pace=replace(workplace.PACE, upload_budget=0.1))
    post(database, ROOM)
    assert delivery.drain(30)
    assert in_words(slack, ROOM)
