"""`mlgov gate` while the bot is killed and started again, and while it is killed itself: one request, one answer."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bot import installed
from bot.approvals import words
from sandbox.server import Sandbox
from sandbox.world import World
from tests.api.conftest import DIGEST, GATES
from tests.stories.office import OLA, eventually, organisation

pytestmark = [pytest.mark.slow, pytest.mark.crash]

ONE_STAGE = GATES.replace(
    "      - {name: Finance, approvers: [role:finance]}\n    expires_after: 1d",
    "    expires_after: 1d",
)
GATE = (
    "gate", "--gate", "production-release", "--subject", "fraud-model:7", "--digest", DIGEST, "--timeout", "2m",
)  # fmt: skip


class Process:
    """One of mlgov's commands, with what it says line by line."""

    def __init__(
        self,
        env: dict[str, str],
        cwd: Path,
        *words: str,
        program: tuple[str, ...] = (sys.executable, "-u", "-m", "bot.cli.main"),
    ) -> None:
        self.process = subprocess.Popen(
            [*program, *words],
            env=env,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.said = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said:
            for line in said:
                self._lines.put(line)

    def until(self, part: str, seconds: float = 40.0) -> str:
        """The line that says `part`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            self.said += line
            if part in line:
                return line
        raise AssertionError(f"never said {part!r}: {self.said}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def cleaned(made: list[Process]) -> Iterator[None]:
    try:
        yield
    finally:
        for one in made:
            if one.process.poll() is None:
                one.kill()
            one.reader.join(10)


def test_it_survives_the_bots_end_and_its_own(tmp_path: Path) -> None:
    (tmp_path / "governance.yml").write_text(ONE_STAGE, encoding="utf-8")
    (tmp_path / "projects.csv").write_text(
        f"key,name,owner,channel\ntriage,Ticket triage,{OLA},C0TRIAGE\n"
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Sandbox(World.from_dict(organisation()), installed.load_manifest(), limits=False) as slack:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLACK_", "MLGOV_"))}
        env = kept | {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "SLACK_API_URL": slack.api_url,
            "MLGOV_DATABASE_URL": f"sqlite:///{tmp_path / 'mlgov.db'}",
            "MLGOV_SIGNING_KEY_FILE": str(tmp_path / "key.pem"),
            "NO_PROXY": "127.0.0.1",
        }

        def mlgov(*words: str) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "bot.cli.main", *words],
                env=env,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        def started() -> Process:
            made.append(Process(env, tmp_path, "run", "--http", "--port", str(port)))
            made[-1].until("mlgov governs")
            slack.deliver_to(f"{url}/slack/events")
            return made[-1]

        made: list[Process] = []
        with cleaned(made):
            (tmp_path / "pub.pem").write_text(mlgov("keys", "new", "--out", "key.pem"))
            bot = started()
            mlgov("import", "projects", "projects.csv")
            token = mlgov(
                "token",
                "create",
                "ci",
                "--scope",
                "approvals:ask",
                "--scope",
                "approvals:read",
                "--project",
                "triage",
            ).strip()
            env |= {"MLGOV_URL": url, "MLGOV_TOKEN": token}
            made.append(Process(env, tmp_path, *GATE))
            first = made[-1]
            first.until("Request 1 at")
            ola = slack.seat(OLA)
            eventually(
                lambda: words.APPROVE in str([m.blocks for m in ola.messages(ola.dm().id)]),
                "the card comes",
                20,
            )
            bot.kill()
            first.until("Trying again")
            bot = started()
            first.until("mlgov answers again")
            first.kill()
            made.append(Process(env, tmp_path, *GATE, "--statement", "statement.json"))
            second = made[-1]
            second.until("Request 1 at")
            second.until("Waiting for Owner")
            (card,) = [m for m in ola.messages(ola.dm().id) if words.APPROVE in str(m.blocks)]
            pressed = ola.click(channel_id=ola.dm().id, ts=card.ts, action_id=words.APPROVE)
            assert pressed.ok
            second.until("Approved by Ola")
            assert second.process.wait(20) == 0
            listed = httpx.get(
                f"{url}/api/v1/approvals",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            ).json()["approvals"]
            assert [one["id"] for one in listed] == [1]
            bot.kill()
        held = mlgov("verify", "statement.json", "--key", "pub.pem", "--digest", DIGEST)
        assert re.match(r"Holds: fraud-model:7 .* by 1 person", held)
