"""`mlgov registry`: the model registry from the command line."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import Json, fail, opened, org_key, policy_text, say

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

    with opened() as database, database.read() as session:
        found = reads.load_status(session)
        lost = reads.list_given_up(session)
    if as_json:
        say(
            json.dumps(
                asdict(found) | {"writes_given_up": [asdict(one) for one in lost]},
                default=str,
                indent=2,
            )
        )
        return
    if found.baseline_at is None:
        say(
            found.failure
            or "The registry was not read yet. `mlgov run` reads it where MLGOV_MLFLOW_URL says."
        )
        return
    say(
        f"Read {found.looked_at:%Y-%m-%d %H:%M} UTC: {counted(found.models, 'model')}, {counted(found.versions, 'version')}."
    )
    if found.failure:
        say(f"It cannot be read now: {found.failure}")
    for line in _waiting(found):
        say(line)
    say(
        f"Unknown to the inventory: {counted(found.unknown, 'model')}; contents that cannot be read: {counted(found.unverified, 'version')}; open: {counted(found.open_drift, 'finding')}."
    )
    for each in lost:
        say(f"Given up: {each.what} ({each.error})")


@app.command()
def sync() -> None:
    """Look at the registry now: read it, compare, and write what is wanted."""
    from bot import installation
    from bot.cli.base import settings
    from bot.context import Deps, PolicyHolder
    from bot.directory import Directory
    from bot.registry import syncing
    from workflows.policies import service as policies

    read = settings()
    registry = syncing.make_client(read)
    if registry is None:
        raise fail(
            "MLGOV_MLFLOW_URL is not set: set it to where MLflow is, like https://mlflow.example.com."
        )
    text = policy_text()
    slack = installation.client(read, timeout=3)
    team = installation.who_am_i(read, slack)
    with opened(team=team) as database:
        with database.read() as session:
            version = policies.in_force(session) or 0
        directory = Directory(slack, database, team, lambda *_: None)
        deps = Deps(read, database, PolicyHolder(text, version), slack, directory, team)
        registrar = syncing.Registrar(deps, registry)
        try:
            why = registrar.look(force=True)
        finally:
            registrar.stop()
            directory.close()
    if why:
        raise fail(why)
    status(as_json=False)


def _waiting(found: "RegistryStatus") -> Iterator[str]:
    """What waits to be accepted, and how."""
    if not found.asks:
        return
    if found.accepted_at is None:
        yield "Its baseline waits for somebody to accept it:"
    elif found.frozen_at is not None:
        yield (
            f"Frozen since {found.frozen_at:%Y-%m-%d %H:%M} UTC, because too much moved at once. "
            + ("This waits:" if found.waiting else "It was all put right since.")
        )
    else:
        yield "So much is gone that somebody has to say it is meant:"
    for one in found.waiting[:MOST_LISTED]:
        yield f"  {one.words}"
    if len(found.waiting) > MOST_LISTED:
        yield f"  …and {len(found.waiting) - MOST_LISTED} more (--json lists them)"
    yield f"`mlgov registry accept {found.revision}` accepts exactly this, and so does the button in Slack."


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
    from workflows import clock
    from workflows.actors import OPERATOR
    from workflows.registry import reads, service

    policy = policy_text().policy
    with opened() as database:
        org = org_key(database)
        with database.read() as session:
            found = reads.load_status(session, alias=policy.registry.alias)
        if revision is None and found.asks:
            for line in _waiting(found):
                say(line)
            raise fail("Nothing was accepted. Say which list you accept, by its number.")
        accepted = revision if revision is not None else found.revision
        sentence = database.run(
            lambda session: service.accept_offers(
                session, OPERATOR, accepted, policy=policy, org_key=org, now=clock.now(session)
            )
        )
    say(sentence)
