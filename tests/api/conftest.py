"""A running mlgov with a gate for releases, tokens for it, and a key to sign with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.enums import Scope
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import POLICY, Office, opened
from workflows.context import OPERATOR
from workflows.people import service as people
from workflows.statements import envelopes
from workflows.tokens import service as tokens
from workflows.tokens.service import MACHINE_SCOPES, NewToken

DIGEST = "sha256:" + "ab" * 32
COMMIT = "9c1e2f4a77"
GATES = (
    POLICY
    + """\
  production_release:
    stages:
      - {name: Owner, approvers: [subject.owner]}
      - {name: Finance, approvers: [role:finance]}
    expires_after: 1d
"""
)
ASK = {
    "gate": "production-release",
    "subject": "fraud-model:7",
    "digest": DIGEST,
    "project": "triage",
    "commit": COMMIT,
    "environment": "production",
    "reason": "Recall is up by 4 points.",
}


@dataclass(slots=True)
class Api:
    """An office, and short words for what programs do."""

    office: Office
    http: httpx.Client
    kept: dict[tuple[str, timedelta], str] = field(default_factory=dict)
    """People's own tokens: nobody has more than ten."""

    def token(
        self,
        name: str = "pipeline",
        *,
        scopes: tuple[Scope, ...] = MACHINE_SCOPES,
        lasts: timedelta = timedelta(days=30),
        projects: tuple[str, ...] = (),
        gates: tuple[str, ...] = (),
    ) -> str:
        """A program's token."""
        deps = self.office.bot.deps
        with deps.db.begin() as session:
            secret, _ = tokens.create(
                make_context(
                    session,
                    actor=OPERATOR,
                    policy=deps.policy,
                    org=deps.team.org_key,
                    now=deps.now(session),
                ),
                NewToken(name=name, scopes=scopes, projects=projects, gates=gates, lasts=lasts),
            )
        return secret

    def personal(self, slack_id: str, lasts: timedelta = timedelta(days=30)) -> str:
        """A person's own token, the same again for who asks again."""
        if (slack_id, lasts) in self.kept:
            return self.kept[slack_id, lasts]
        deps = self.office.bot.deps
        with deps.db.begin() as session:
            met = people.actor_by_slack_id(session, deps.team.org_key, slack_id)
            assert met is not None
            secret, _ = tokens.create_personal(
                make_context(session, actor=met[0], now=deps.now(session)), lasts=lasts
            )
        self.kept[slack_id, lasts] = secret
        return secret

    def get(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        return self.http.get(f"/api/v1{path}", headers=bearer(token), **more)

    def post(
        self,
        path: str,
        token: str | None = None,
        body: Any = None,
        *,
        key: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        headers = bearer(token) | ({"Idempotency-Key": key} if key else {})
        return self.http.post(f"/api/v1{path}", json=body, headers=headers, **more)

    def ask(self, token: str, *, key: str = "k1", **changes: Any) -> httpx.Response:
        """Ask for the release of `ASK`, changed."""
        return self.post("/approvals", token, ASK | changes, key=key)


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def served(
    url: str, work: Path, over: str = "http", *, policy: str = GATES, **more: Any
) -> Iterator[Api]:
    with opened(
        url, work, over=over, policy=policy, mlgov_signing_key=envelopes.make_private_pem(), **more
    ) as office:
        office.project("triage", "Ticket triage")
        assert office.base_url is not None
        with httpx.Client(base_url=office.base_url, trust_env=False, timeout=70) as http:
            yield Api(office, http)


@pytest.fixture(params=["sqlite-http", "postgres-socket"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """On both databases; the API stands beside Slack's requests and beside Socket Mode."""
    backend, over = request.param.split("-")
    with served(fresh_url(backend, request, tmp_path), tmp_path, over) as made:
        yield made
