"""What a look reads beside the registry's lists: what its runs measured, and the contents of its versions."""

import logging
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from typing import Concatenate, ParamSpec, TypeVar

from bot.background import Repeating
from bot.deps import Deps
from bot.settings import Settings
from bot.web import metrics
from storage import runtime
from workflows.context import SYSTEM, Context
from workflows.delivery import holding
from workflows.errors import GovernanceError
from workflows.registry import service
from workflows.registry.rules import Write
from workflows.sources.mlflow.client import (
    Digest,
    MlflowClient,
    RegistryModel,
    RegistryTrouble,
    Snapshot,
)

RUNS, CONTENTS = 500, 50
"""Runs and contents read in one look; the rest in the next."""
TROUBLES = 3
"""After so many that the server failed to give, the rest of a look is left for the next."""
ENOUGH = 60.0
"""Seconds after which a look reads no more of them: what it saw of aliases is wanted soon."""
AGAIN = 900.0
"""Seconds after which what could not be read is asked for again, so that it does not hold up the others."""

Measured = tuple[dict[str, float], tuple[str, ...]]
"""What a run measured, and who ran it."""
Key = TypeVar("Key", bound=Hashable)
Version = tuple[str, str]
"""Registered model and version."""


class Reader:
    """Reads them one by one. A store of artefacts that is broken costs its own versions their digest, and no look."""

    def __init__(self, registry: MlflowClient) -> None:
        self._registry = registry
        self._later: dict[Hashable, float] = {}
        """Run or version → monotonic time before which it is not asked for again."""
        self._failed = 0
        """What the server failed to give in this look."""

    def runs(self, wanted: Iterable[str]) -> dict[str, Measured]:
        """What runs measured; nothing for one that is gone. One that the server fails to give is not among them."""
        measured: dict[str, Measured] = {}
        for run_id in self._some(wanted, RUNS):
            try:
                measured[run_id] = self._registry.run(run_id)
            except RegistryTrouble:
                self._put_off(run_id)
            except GovernanceError:
                measured[run_id] = {}, ()
        return measured

    def contents(self, wanted: Iterable[Version]) -> dict[Version, Digest]:
        """The digests of versions; without one, and with the reason, where it cannot be read."""
        digests: dict[Version, Digest] = {}
        for version in self._some(wanted, CONTENTS):
            try:
                digests[version] = self._registry.digest(*version)
            except RegistryTrouble as error:
                digests[version] = Digest(None, error.sentence, for_now=True)
            except GovernanceError as error:
                digests[version] = Digest(None, error.sentence)
            if digests[version].for_now:
                self._put_off(version)
        return digests

    def _some(self, wanted: Iterable[Key], most: int) -> Iterator[Key]:
        """What is not put off, one after another, until that is enough for a look."""
        began = time.monotonic()
        self._later = {key: at for key, at in self._later.items() if at > began}
        self._failed = 0
        due = (key for key in wanted if key not in self._later)
        for key in islice(due, most):
            yield key
            if self._failed >= TROUBLES or time.monotonic() - began > ENOUGH:
                return

    def _put_off(self, key: Hashable) -> None:
        self._failed += 1
        self._later[key] = time.monotonic() + AGAIN


# --- Reading the registry and writing into it, in a thread of its own

log = logging.getLogger("mlgov")

P = ParamSpec("P")
T = TypeVar("T")

READER = "mlflow"
PAUSE = 2.0
"""Seconds between questions whether a look is due."""

BUSY = "Another process reads the registry at this moment."
KEPT_EVERY = 60.0
"""Seconds after which whoever still reads says so."""
HELD = "Everything is held back until `mlgov outbox release`, and so is the registry."


def make_client(settings: Settings) -> MlflowClient | None:
    """The registry that the settings name; None when they name none."""
    if settings.mlgov_mlflow_url is None:
        return None
    token, password = settings.mlgov_mlflow_token, settings.mlgov_mlflow_password
    return MlflowClient(
        settings.mlgov_mlflow_url,
        token=token.get_secret_value() if token else None,
        user=settings.mlgov_mlflow_user,
        password=password.get_secret_value() if password else None,
        timeout=settings.mlgov_http_timeout_seconds,
    )


class Registrar:
    """Looks at the registry when that is due, and makes it follow. Several processes take turns."""

    def __init__(self, deps: Deps, registry: MlflowClient) -> None:
        self._deps = deps
        self._registry = registry
        self._reader = Reader(registry)
        metrics.expect_reader(READER)
        self._rounds = Repeating("registry", self.look, PAUSE)

    def start(self) -> None:
        """Begin to look."""
        self._rounds.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self._rounds.stop()
        self._registry.close()

    def look(self, *, force: bool = False) -> str:
        """One look, when it is due or `force`d: read, compare, write. Empty when it went well, else why not."""
        deps = self._deps
        with deps.db.read() as session:
            if holding.is_held(session):
                return HELD if force else ""
        turn = deps.act(
            SYSTEM,
            lambda ctx: service.take_turn(ctx, real_now=runtime.real_now(ctx.session), force=force),
        )
        if turn is None:
            return BUSY if force else ""
        try:
            why = self._read(turn)
            if not why:
                self._write(turn)
            return why
        except service.LostTurn:
            # It took so long that another process looks by now: that one's look counts, and this one ends here.
            log.info("a look at the registry was given up: another process has the turn")
            return BUSY if force else ""
        finally:
            deps.db.run(lambda session: service.release_turn(session, turn))

    def _act(
        self,
        turn: int,
        verb: Callable[Concatenate[Context, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """One transaction of a look, in which nobody else has the turn. Raises LostTurn."""

        def act_in_turn(ctx: Context) -> T:
            service.keep_turn(ctx.session, turn, real_now=runtime.real_now(ctx.session))
            return verb(ctx, *args, **kwargs)

        return self._deps.act(SYSTEM, act_in_turn)

    def _keep(self, turn: int) -> None:
        """What takes long keeps its turn. Raises LostTurn."""
        self._act(turn, lambda _: None)

    def _models(self, turn: int) -> Iterator[RegistryModel]:
        """The registered models; a registry that takes longer than a lease to read is read all the same."""
        kept = time.monotonic()
        for model in self._registry.models():
            if time.monotonic() - kept > KEPT_EVERY:
                self._keep(turn)
                kept = time.monotonic()
            yield model

    def _read(self, turn: int) -> str:
        deps = self._deps
        try:
            snapshot = Snapshot(tuple(self._models(turn)))
        except service.LostTurn:
            raise
        except GovernanceError as error:
            sentence = error.sentence
            metrics.READS.labels(READER, "failed").inc()
            self._act(turn, service.record_failure, sentence)
            return sentence
        metrics.READS.labels(READER, "ok").inc()
        runs, contents = deps.read(SYSTEM, service.list_to_read, snapshot)
        measured = self._reader.runs(runs)
        self._keep(turn)
        digests = self._reader.contents(contents)
        self._act(turn, service.apply_snapshot, snapshot, measured, digests)
        with deps.db.read() as session:
            return service.find_failure(session)

    def _write(self, turn: int) -> None:
        wanted = self._act(
            turn, lambda ctx: service.list_writes(ctx, real_now=runtime.real_now(ctx.session))
        )
        for write in wanted:
            if self._rounds.is_stopping:
                return
            self._keep(turn)
            error = ""
            try:
                self._carry_out(write)
            except GovernanceError as failed:
                error = failed.sentence
            self._act(turn, _settle_write, write, error)
            if error:
                # What is wrong with one write is mostly wrong with all: the next look goes on.
                return

    def _carry_out(self, write: Write) -> None:
        doing: dict[str, Callable[[], None]] = {
            "tag": lambda: self._registry.set_version_tag(
                write.name, write.version, write.key, write.value
            ),
            "untag": lambda: self._registry.delete_version_tag(
                write.name, write.version, write.key
            ),
            "alias": lambda: self._registry.set_alias(write.name, write.key, write.version),
            "unalias": lambda: self._registry.delete_alias(write.name, write.key),
        }
        doing[write.kind]()


def _settle_write(ctx: Context, write: Write, error: str) -> None:
    service.settle_write(ctx, write, error, real_now=runtime.real_now(ctx.session))
