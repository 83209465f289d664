"""`mlgov registry`: the model registry from the command line."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import Json, fail, find_org_key, load_policy_text, open_database, say

if TYPE_CHECKING:
    from workflows.registry.records import RegistryStatus

MOST_LISTED = 50

app = typer.Typer(
    help="The model registry that mlgov reads and that follows it (MLflow).", no_args_is_help=True
)


@app.command()
def status(as_json: Json = False) -> None:
    """Say how the registry stands: when it was read, what is unknown, unverified, or differs."""
    from workflows.registry import reads
    from workflows.wording import counted

    with open_database() as database, database.read() as session:
        registry = reads.load_status(session)
        lost = reads.list_given_up(session)
    if as_json:
        say(
            json.dumps(
                asdict(registry) | {"writes_given_up": [asdict(one) for one in lost]},
                default=str,
                indent=2,
            )
        )
        return
    if registry.baseline_at is None:
        say(
            registry.failure
            or "The registry was not read yet. `mlgov run` reads it where MLGOV_MLFLOW_URL says."
        )
        return
    say(
        f"Read {registry.looked_at:%Y-%m-%d %H:%M} UTC: {counted(registry.models, 'model')}, {counted(registry.versions, 'version')}."
    )
    if registry.failure:
        say(f"It cannot be read now: {registry.failure}")
    for line in _describe_waiting(registry):
        say(line)
    say(
        f"Unknown to the inventory: {counted(registry.unknown, 'model')}; contents that cannot be read: {counted(registry.unverified, 'version')}; open: {counted(registry.open_drift, 'finding')}."
    )
    for each in lost:
        say(f"Given up: {each.what} ({each.error})")


@app.command()
def sync() -> None:
    """Look at the registry now: read it, compare, and write what is wanted."""
    from bot.cli.base import load_settings
    from bot.deps import Deps, PolicyHolder
    from bot.registry import sync as registry_sync
    from bot.slack import installation
    from bot.slack.directory import Directory
    from workflows.policies import service as policies

    read = load_settings()
    registry = registry_sync.make_client(read)
    if registry is None:
        raise fail(
            "MLGOV_MLFLOW_URL is not set: set it to where MLflow is, like https://mlflow.example.com."
        )
    text = load_policy_text()
    slack = installation.client(read, timeout=3)
    team = installation.load_team(read, slack)
    with open_database(team=team) as database:
        with database.read() as session:
            version = policies.in_force(session) or 0
        directory = Directory(slack, database, team, lambda: text.policy)
        deps = Deps(read, database, PolicyHolder(text, version), slack, directory, team)
        registrar = registry_sync.Registrar(deps, registry)
        try:
            why = registrar.look(force=True)
        finally:
            registrar.stop()
            directory.close()
    if why:
        raise fail(why)
    status(as_json=False)


def _describe_waiting(registry: "RegistryStatus") -> Iterator[str]:
    """What waits to be accepted, and how."""
    if not registry.asks:
        return
    if registry.accepted_at is None:
        yield "Its baseline waits for somebody to accept it:"
    elif registry.frozen_at is not None:
        yield (
            f"Frozen since {registry.frozen_at:%Y-%m-%d %H:%M} UTC, because too much moved at once. "
            + ("This waits:" if registry.waiting else "It was all put right since.")
        )
    else:
        yield "So much is gone that somebody has to say it is meant:"
    for change in registry.waiting[:MOST_LISTED]:
        yield f"  {change.words}"
    if len(registry.waiting) > MOST_LISTED:
        yield f"  …and {len(registry.waiting) - MOST_LISTED} more (--json lists them)"
    yield f"`mlgov registry accept {registry.revision}` accepts exactly this, and so does the button in Slack."


@app.command()
def accept(
    revision: Annotated[
        int | None,
        typer.Argument(
            help="What you accept, by the number that `mlgov registry status` gives.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Accept what `mlgov registry status` lists: the baseline, what moved at once, or that much is gone."""
    from workflows import operations
    from workflows.registry import reads, service

    policy = load_policy_text().policy
    with open_database() as database:
        org = find_org_key(database)
        with database.read() as session:
            registry = reads.load_status(session, alias=policy.registry.alias)
        if revision is None and registry.asks:
            for line in _describe_waiting(registry):
                say(line)
            raise fail("Nothing was accepted. Say which list you accept, by its number.")
        accepted = revision if revision is not None else registry.revision
        sentence = database.run(
            lambda session: service.accept_offers(
                operations.load_context(session, policy=policy, org=org), accepted
            )
        )
    say(sentence)
