"""What a look reads beside the registry's lists: what its runs measured, and the contents of its versions."""

import time
from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from workflows.errors import GovernanceError
from workflows.sources.mlflow.client import MlflowClient
from workflows.sources.mlflow.errors import RegistryTrouble
from workflows.sources.mlflow.records import Digest

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
