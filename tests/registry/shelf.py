"""A registry, as a test arranges it, beside mlgov."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from storage.enums import FindingSource
from storage.inventory import queries
from tests.approvals.conftest import ORG
from tests.contexts import make_context
from tests.inventory.conftest import RISK, Yard
from workflows.inventory import reads as inventory
from workflows.inventory.records import FindingRecord
from workflows.registry import reads, service
from workflows.registry.rules import Write
from workflows.sources.mlflow.client import Digest, RegistryModel, RegistryVersion, Snapshot


@dataclass
class Shelf:
    """A registry, as a test arranges it, and mlgov's looks at it."""

    yard: Yard
    models: dict[str, RegistryModel] = field(default_factory=dict)
    digests: dict[tuple[str, str], str] = field(default_factory=dict)
    runs: dict[str, tuple[dict[str, float], tuple[str, ...]]] = field(default_factory=dict)
    refuses: str = ""

    def put(
        self,
        name: str,
        *versions: str,
        alias: str | None = None,
        tags: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        made = tuple(
            RegistryVersion(name, one, None, {"mlgov.developer": user} if user else {})
            for one in reversed(versions)
        )
        self.models[name] = RegistryModel(
            name, f"About {name}", tags or {}, {"champion": alias} if alias else {}, made
        )
        for one in versions:
            self.digests.setdefault((name, one), f"{len(self.digests) + 10:064x}")

    def alias(self, name: str, version: str | None) -> None:
        self.models[name] = replace(
            self.models[name], aliases={"champion": version} if version else {}
        )

    def look(self, after: timedelta = timedelta(minutes=10)) -> None:
        """Read the registry, and write what is wanted."""
        yard = self.yard
        yard.now += after
        digests = {key: Digest(value) for key, value in self.digests.items()}
        snapshot = Snapshot(tuple(self.models.values()))
        yard.db.run(
            lambda session: service.apply_snapshot(
                make_context(session, policy=yard.policy, org=ORG, now=yard.now),
                snapshot,
                self.runs,
                digests,
            )
        )
        for write in self.wanted():
            error = self.refuses
            if not error:
                self.carry_out(write)
            yard.db.run(
                lambda session, write=write, error=error: service.settle_write(
                    make_context(session, policy=yard.policy, org=ORG, now=yard.now),
                    write,
                    error,
                    real_now=yard.now,
                )
            )

    def wanted(self) -> list[Write]:
        yard = self.yard
        return yard.db.run(
            lambda session: service.list_writes(
                make_context(session, policy=yard.policy, now=yard.now), real_now=yard.now
            )
        )

    def carry_out(self, write: Write) -> None:
        model = self.models[write.name]
        if write.kind in ("alias", "unalias"):
            self.alias(write.name, write.version if write.kind == "alias" else None)
            return
        made = []
        for one in model.versions:
            tags = {key: value for key, value in one.tags.items() if key != write.key}
            if one.version == write.version:
                one = replace(
                    one, tags=tags | ({write.key: write.value} if write.kind == "tag" else {})
                )
            made.append(one)
        self.models[write.name] = replace(model, versions=tuple(made))

    def revision(self) -> int:
        """What the card shows at this moment."""
        with self.yard.db.read() as session:
            return reads.load_status(session).revision

    def accept(self, who: str = RISK, revision: int | None = None) -> str:
        yard = self.yard
        shown = self.revision() if revision is None else revision
        return yard.db.run(
            lambda session: service.accept_offers(
                make_context(
                    session, actor=yard.actor(who), policy=yard.policy, org=ORG, now=yard.now
                ),
                shown,
            )
        )

    def accepted(self) -> None:
        self.look()
        self.accept()
        self.look()

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.yard.now += timedelta(minutes=5)
            self.yard.db.run(
                lambda session: service.record_failure(
                    make_context(session, policy=self.yard.policy, org=ORG, now=self.yard.now),
                    "MLflow does not answer.",
                )
            )

    def findings(self) -> list[FindingRecord]:
        with self.yard.db.read() as session:
            rows = queries.list_unsettled_from(session, FindingSource.REGISTRY.value)
            return [
                found
                for row in rows
                if (found := inventory.find_finding(session, row.id)) is not None
            ]

    def words(self) -> list[str]:
        return [one.words for one in self.findings()]

    def told(self, kind: str) -> list[Any]:
        return [row.notice for row in self.yard.sent(kind) if row.op != "update"]
