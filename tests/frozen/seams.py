"""The few names of ours by which the frozen file is reached. All else is found by what an object is.

Whoever renames one of these mends it here; the file itself must not change with it.
"""

import importlib
import pkgutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import bot
import storage
import workflows
from bot import app, installed, settings
from bot.cli.main import app as commands
from bot.slack import blocks, interactions
from bot.web import metrics
from sandbox.server import Sandbox
from sandbox.world import GovernedClock, World
from storage import migrate, runtime
from storage.db import Database
from tests.conftest import KEY
from tests.stories.office import OPENS, POLICY, organisation
from workflows import approvable, inputs, jobs, outbox
from workflows.audit import service as audit
from workflows.errors import RefusalFact
from workflows.outbox import Notice

ROOT = Path(__file__).parents[2]

GAUGES: dict[str, Any] = importlib.import_module("bot.web.metrics").GAUGES
METRICS = metrics.REGISTRY
SETTINGS = settings.Settings
SECRETS: tuple[str, ...] = settings._SECRETS
SUBJECTS = approvable.SUBJECT_TYPES
REGISTRY = jobs.REGISTRY
MIGRATIONS: Path = migrate._MIGRATIONS / "versions"
COMMANDS = commands
NOTICE = Notice
RENDERERS = app.RENDERERS
ROUTER = app.build_router
BLOCK_OF = interactions.block_of
INPUTS_OF = inputs.inputs_of

SAID_BY: dict[str, list[tuple[Callable[..., Any], str]]] = {
    "audit actions": [
        (audit.record, "action"),
        (audit.write_entry, "action"),
        (RefusalFact, "action"),
    ],
    "dedupe keys": [(outbox.post, "dedupe_key"), (outbox.send_event, "dedupe_key")],
    "values of buttons and choices": [(blocks.button, "value"), (blocks.option, "value")],
    "metadata of windows": [(blocks.modal, "metadata")],
}
"""Section of the file → functions and classes of ours, and which argument of each is written down for good."""

FACTS = (audit.record, audit.write_entry, RefusalFact)
"""What of these calls is given by name and is no argument of theirs stands on the ledger by that name."""


def modules() -> Iterator[ModuleType]:
    """Every module of ours that is no migration and no script."""
    for package in (bot, workflows, storage):
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" not in found.name and not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


@contextmanager
def running() -> Iterator[tuple[app.Bot, Database]]:
    """A bot that was built beside a stand-in and not started, and its migrated database."""
    with tempfile.TemporaryDirectory(prefix="mlgov-frozen-") as folder:
        work = Path(folder)
        url = f"sqlite:///{work / 'frozen.db'}"
        database = Database(url)
        migrate.upgrade(database)
        with database.begin() as session:
            runtime.set_made_by(session, "demo")
        database.close()
        (work / "governance.yml").write_text(POLICY, encoding="utf-8")
        world = World.from_dict(organisation(), GovernedClock(OPENS))
        with Sandbox(world, installed.load_manifest()) as slack:
            read = settings.read(
                {},
                slack_bot_token=slack.bot_token,
                slack_app_token=slack.app_token,
                slack_signing_secret=slack.signing_secret,
                slack_api_url=slack.api_url,
                mlgov_database_url=url,
                mlgov_policy=work / "governance.yml",
                mlgov_erasure_key=KEY.decode(),
            )
            bot = app.create(read, made_by="demo")
            try:
                yield bot, bot.deps.db
            finally:
                bot.stop()
