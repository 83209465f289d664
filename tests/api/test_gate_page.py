"""docs/ci-gate.md, to the letter: its policy, its commands and its checks, as processes and in its order."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bot import installed
from bot.approvals import words
from sandbox.org import UserGroup
from sandbox.seat import Seat
from sandbox.server import Sandbox
from sandbox.world import World
from tests.api.test_gate import Process, cleaned, free_port
from tests.stories.office import FAY, OLA, POLICY, eventually, organisation

ROOT = Path(__file__).parents[2]


def snippets() -> list[str]:
    """What stands in the fences of the page, in its order."""
    page = (ROOT / "docs" / "ci-gate.md").read_text(encoding="utf-8")
    return re.findall(r"^```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def the(part: str) -> str:
    (found,) = [one for one in snippets() if part in one]
    return found


@pytest.mark.slow
@pytest.mark.crash
def test_the_page_works_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "governance.yml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "projects.csv").write_text(
        f"key,name,owner,channel\nfraud,Fraud,{OLA},C0TRIAGE\n", encoding="utf-8"
    )
    (tmp_path / "model.tar.gz").write_bytes(b"the model")
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "mlgov"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m bot.cli.main "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Sandbox(World.from_dict(organisation()), installed.load_manifest(), limits=False) as slack:
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLACK_", "MLGOV_"))
        } | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "SLACK_API_URL": slack.api_url,
            "MLGOV_DATABASE_URL": f"sqlite:///{tmp_path / 'mlgov.db'}",
            "NO_PROXY": "127.0.0.1",
        }

        def shell(script: str, **more: str) -> str:
            done = subprocess.run(
                ["/bin/bash", "-euo", "pipefail", "-c", script],
                cwd=tmp_path,
                env=env | more,
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
            return done.stdout

        made: list[Process] = []

        def started() -> Process:
            made.append(Process(env, tmp_path, "run", "--http", "--port", str(port)))
            made[-1].until("mlgov governs")
            slack.deliver_to(f"{url}/slack/events")
            return made[-1]

        with cleaned(made):
            bot = started()
            shell("mlgov import projects projects.csv")
            # The group that the page's gate names is founded when the gate is.
            slack.world.add_usergroup(
                UserGroup("S0RISK", "T0ACME", "model-risk", "Model risk", user_ids=[FAY])
            )
            slack.wait_idle()
            _add(tmp_path / "governance.yml", the("production_release:"))
            once = shell(the("mlgov policy apply"))
            (token,) = re.findall(r"mlgov_m_\w{8}_[\w-]{43}", once)
            assert "version 2 is in force" in once
            bot.kill()
            env |= {"MLGOV_SIGNING_KEY_FILE": str(tmp_path / "signing-key.pem")}
            started()

            digest = shell("sha256sum model.tar.gz | cut -d' ' -f1").strip()
            asks = the("--digest sha256:…").replace("sha256:…", f"sha256:{digest}")
            script = tmp_path / "pipeline.sh"
            script.write_text(f"set -eu\n{asks}", encoding="utf-8")
            own = {"MLGOV_URL": url, "MLGOV_TOKEN": token, "COMMIT": "9c1e2f4a77"}
            made.append(
                Process(env | own | {"RUN": "1"}, tmp_path, str(script), program=("/bin/sh",))
            )
            made[-1].until("Waiting for Model owner")
            _approve(slack.seat(OLA))
            made[-1].until("Waiting for Risk")
            _approve(slack.seat(FAY))
            made[-1].until("Approved by")
            assert made[-1].process.wait(30) == 0

            check = the("mlgov verify statement.json").replace("https://mlgov.example.com", url)
            assert re.match(r"Holds: fraud-model:7 .* by 2 people", shell(check))


def _add(file: Path, block: str) -> None:
    """Write the page's block into the policy, where a person would."""
    policy, more = yaml.safe_load(file.read_text("utf-8")), yaml.safe_load(block)
    gates = policy["gates"] | more.pop("gates")
    file.write_text(yaml.safe_dump(policy | more | {"gates": gates}), "utf-8")


def _approve(seat: Seat) -> None:
    def cards() -> list[object]:
        return [
            message
            for message in seat.messages(seat.dm().id)
            if words.APPROVE in str(message.blocks)
        ]

    waits: Callable[[], bool] = lambda: bool(cards())  # noqa: E731
    eventually(waits, "the card comes", 30)
    (card,) = cards()
    assert seat.click(
        channel_id=seat.dm().id,
        ts=card.ts,  # type: ignore[attr-defined]
        action_id=words.APPROVE,
    ).ok
