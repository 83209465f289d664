"""A gate for releases in the demo's policy, and a token for whoever wants to play the pipeline in a terminal."""

from datetime import timedelta

from bot import app
from storage.enums import Scope
from workflows.actors import OPERATOR
from workflows.tokens import service
from workflows.tokens.forms import NewToken

POLICY = """\
  production_release:
    stages:
      - name: Owner
        approvers: [subject.owner]
    expires_after: 1d
"""
"""Follows the other gates."""


def command(bot: app.Bot, url: str) -> str:
    """The command by which a pipeline asks at that gate, with a token made for it; `url` is where the API is."""
    deps = bot.deps
    with deps.db.begin() as session:
        secret, _ = service.create(
            session,
            OPERATOR,
            NewToken(
                name="demo-pipeline",
                scopes=(Scope.ASK, Scope.READ, Scope.STATUS),
                projects=("ticket-triage",),
                lasts=timedelta(days=30),
            ),
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    return (
        f"MLGOV_URL={url} MLGOV_TOKEN={secret} mlgov gate --gate production-release "
        f"--subject triage-model:7 --digest sha256:{'7' * 64} --environment production --statement statement.json"
    )


def verification(url: str) -> str:
    """The commands by which whoever deploys checks the statement; `url` is where the API is."""
    return (
        f"curl -s {url}/api/v1/keys > mlgov.pub && mlgov verify statement.json --key mlgov.pub "
        f"--digest sha256:{'7' * 64} --gate production-release --environment production --status {url}"
    )
