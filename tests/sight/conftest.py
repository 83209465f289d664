"""The running office that is attacked, once for each database and file of tests."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from bot import freshness
from storage.enums import ModelKind
from storage.inventory.tables import ModelVersion
from tests.conftest import BACKENDS, fresh_url
from tests.contexts import make_context
from tests.sight.attack import Answered, Attack
from tests.sight.world import NED, actor, planted
from tests.stories.office import OLA, eventually
from workflows.approvals.forms import AskInformation
from workflows.inventory import service
from workflows.inventory.forms import RegisterModel


@pytest.fixture(scope="module", params=BACKENDS)
def attack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attack]:
    work: Path = tmp_path_factory.mktemp("sight")
    with planted(fresh_url(request.param, request, work), work) as (office, secret):
        deps, ned = office.bot.deps, actor(office, NED)
        common = {"policy": deps.policy, "org": deps.team.org_key, "now": office.now()}
        with office.db.begin(patient=True) as session:
            own = service.register_model(
                make_context(session, actor=ned, **common),
                RegisterModel(
                    key="neds",
                    name="Ned's score",
                    kind=ModelKind.INTERNAL,
                    owner_id=ned.id,
                    purpose="His own.",
                    request_key="ned",
                ),
            )
        with office.db.begin(patient=True) as session:
            version = ModelVersion(
                model_id=own,
                version="1",
                state="development",
                state_since=office.now(),
                digest="ef" * 32,
                about={},
                created_by=ned.id,
                created_at=office.now(),
            )
            session.add(version)
            session.flush()
            own_version = version.id
        freshness.act(
            deps,
            actor(office, OLA),
            AskInformation(
                approval_id=secret.request, revision=secret.revision, question="Which Nyala?"
            ),
            None,
        )
        office.settle()
        ola = office.sandbox.seat(OLA)
        ola.share(ola.dm().id, "Kudu.csv", b"Kudu,1\n")
        eventually(lambda: "Kudu.csv" in str(ola.messages(ola.dm().id)[-1]), "the file was read")
        with office.db.read() as session:
            row = session.execute(
                text("SELECT channel, ts FROM message WHERE kind = 'approval.note'")
            ).first()
            file = session.execute(
                text("SELECT slack_id FROM shared_file WHERE slack_id <> 'F0KUDU00001'")
            ).scalar_one()
            revision = session.execute(
                text("SELECT revision FROM approval WHERE id = :id"), {"id": secret.request}
            ).scalar_one()
        assert row is not None
        secret = dataclasses.replace(secret, file=file, revision=revision)
        with httpx.Client(base_url=office.base_url or "", trust_env=False, timeout=60) as client:
            private = Answered()
            try:
                yield Attack(
                    office, secret, own, own_version, (row.channel, row.ts), client, private
                )
            finally:
                private.close()
