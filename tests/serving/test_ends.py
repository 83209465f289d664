"""What is under way when mlgov ends: an event that a process died of is handled by the next, and acks go out at SIGTERM."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot import installed
from sandbox.faults import Faults
from sandbox.server import Sandbox
from sandbox.submission import Outcome
from sandbox.world import World
from storage.db import Database
from storage.delivery.tables import Inbox
from tests.serving.test_run import environment, running
from tests.stories.office import OLA, eventually, organisation
from workflows import clock, inbox

pytestmark = pytest.mark.slow


@pytest.fixture
def slack() -> Iterator[Sandbox]:
    world = World.from_dict(organisation())
    with Sandbox(world, installed.load_manifest(), limits=False, faults=Faults()) as running_:
        yield running_


DIES = """
from bot import failpoints
from bot.cli.main import main
failpoints.arm("event.begun")
main(["run", "--http", "--port", "0"])
"""


@pytest.mark.crash
def test_a_direct_message_whose_process_was_killed_is_answered_once_by_the_next(
    slack: Sandbox, tmp_path: Path
) -> None:
    env = environment(slack, tmp_path)
    ola = slack.seat(OLA)
    dm = ola.dm().id

    def answers() -> list[str]:
        return [one.text for one in ola.messages(dm) if one.user_id != OLA]

    with subprocess.Popen(
        [sys.executable, "-u", "-c", DIES],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "mlgov governs" in line)
        url = line.split("HTTP at ")[1].split(". Ctrl")[0]
        slack.deliver_to(url)
        ola.say(dm, "help")
        assert process.wait(60) == 137
    assert answers() == []
    with running(env, tmp_path, "--http") as (_process, base):
        slack.deliver_to(f"{base}/slack/events")
        slack.events.hasten()
        assert slack.events.wait_idle(30)
        assert answers() == [], "for all anybody knows the first one still handles it"
        assert slack.events.waiting(), "so it is asked for again"
        database = Database(env["MLGOV_DATABASE_URL"])
        with database.begin() as session:
            past = clock.real_now(session) - inbox.PATIENCE
            session.execute(update(Inbox).values(received_at=past))
        slack.events.hasten()
        eventually(lambda: len(answers()) == 1, "an answer", 20)
        assert slack.events.wait_idle(30)
        assert slack.events.waiting() == []
        with database.read() as session:
            rows = session.execute(select(Inbox.done_at)).scalars().all()
        assert len(rows) == 1
        assert rows[0] is not None
        database.close()


def test_what_is_under_way_at_sigterm_is_acknowledged_before_the_socket_closes(
    slack: Sandbox, tmp_path: Path
) -> None:
    env = environment(slack, tmp_path, SLACK_APP_TOKEN=slack.app_token)
    ola = slack.seat(OLA)
    outcomes: list[Outcome] = []
    with running(env, tmp_path) as (process, _url):
        eventually(lambda: ola.slash("/mlgov", "help", "C0TRIAGE").ok, "it answers", 20)
        slack.faults.slow("views.open", seconds=1.5, count=1)
        asking = threading.Thread(
            target=lambda: outcomes.append(ola.slash("/mlgov", "token", "C0TRIAGE"))
        )
        asking.start()
        eventually(ola.modals, "Slack shows the window, and has not answered yet", 10)
        process.send_signal(signal.SIGTERM)
        asking.join(30)
        assert process.wait(60) == 0
    assert [one.ok for one in outcomes] == [True]
