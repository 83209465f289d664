"""`mlgov policy`: check, compare, apply and try the policy file; print its schema and an example."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.base import Json, fail, find_org_key, load_settings, open_database, say, say_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from storage.db import Database
    from workflows.maturity.rules import RubricText
    from workflows.policy import Policy, PolicyText

app = typer.Typer(
    help="Check governance.yml, compare it, put it in force, or try it on what was asked before.",
    no_args_is_help=True,
)

File = Annotated[Path | None, typer.Argument(help="The file; MLGOV_POLICY when it is left out.")]


def _load(file: Path | None) -> "tuple[Path, PolicyText]":
    path, loaded, _ = _load_all(file)
    return path, loaded


def _load_all(file: Path | None) -> "tuple[Path, PolicyText, RubricText]":
    from workflows import policy
    from workflows.errors import GovernanceError
    from workflows.maturity import rules

    path = file or load_settings().mlgov_policy
    try:
        loaded = policy.load(path)
        asked = rules.load(rules.place(path, loaded.policy.maturity.rubric))
    except GovernanceError as error:
        raise fail(error.sentence) from None
    return path, loaded, asked


def _running(session: "Session") -> "tuple[int, Policy] | None":
    from workflows.policies import service

    running = service.in_force(session)
    return None if running is None else (running, service.version(session, running))


@app.command()
def check(
    file: File = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Leave the database and its people out.")
    ] = False,
) -> None:
    """Say what is wrong with a policy file, line by line: also stages that nothing reaches, or that nobody could pass."""
    from storage.people import readings
    from workflows import operations
    from workflows.people import approvers
    from workflows.policy import reading
    from workflows.policy.reading import line_of

    path, loaded = _load(file)
    wrong = reading.review(loaded.policy)
    looked = "people and groups were not looked at"
    if not offline and _has_database():
        with open_database() as database, database.read() as session:
            if readings.list_unread(session):
                looked = "people and groups were not looked at, because mlgov hasn't read them from Slack yet: `mlgov sync` does, and `mlgov run` when it starts"
            else:
                wrong += approvers.check_against_mirror(
                    operations.load_context(
                        session, policy=loaded.policy, org=find_org_key(database)
                    )
                )
                looked = "people and groups are known"
    if wrong:
        complaints = [
            f"{path}:{line_of(loaded.text, place)}: {'.'.join(str(part) for part in place)}: {words}"
            for place, words in wrong
        ]
        raise fail("\n".join(dict.fromkeys(complaints)))
    say(
        f"{path}: good. Policy {loaded.sha256[:12]}, gates: {', '.join(loaded.policy.gates) or 'none'}; {looked}."
    )


def _has_database() -> bool:
    from sqlalchemy.engine import make_url

    url = make_url(load_settings().mlgov_database_url.get_secret_value())
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


@app.command()
def diff(file: File = None) -> None:
    """Say in words how a policy file differs from the policy in force."""
    from workflows.policies.service import differences

    path, loaded = _load(file)
    with open_database() as database, database.read() as session:
        running = _running(session)
    if running is None:
        say(f"{path}: no policy is in force yet.")
        return
    changes = differences(running[1], loaded.policy)
    if not changes:
        say(f"{path}: nothing differs from version {running[0]}, which is in force.")
    for each in changes:
        say(f"- {each}")


@app.command()
def apply(
    file: File = None,
    reroute: Annotated[
        bool, typer.Option("--reroute", help="Move open requests to it, too.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Go back to a version that another has replaced.")
    ] = False,
) -> None:
    """Put a policy file in force, with its rubric. Every running mlgov follows within seconds; open requests stay on their
    version.

    Each @handle in it means the user group that has it in Slack now.
    """
    from workflows import jobs, operations
    from workflows.approvals import policy_simulation, reads
    from workflows.errors import GovernanceError
    from workflows.people import service as people
    from workflows.policies import service

    path, loaded, asked = _load_all(file)
    with open_database() as database:
        org = find_org_key(database)
        with database.begin(patient=True) as session:
            service.lock(session)
            was = service.replaced(session, loaded)
            if was is not None and not again:
                raise GovernanceError(service.replaced_words(str(path), *was))
            ctx = operations.load_context(session, policy=loaded.policy, org=org)
            version = jobs.put_in_force(ctx, loaded, asked)
            meanings = people.confirm_handles(ctx)
        say(f"{path}: version {version} is in force ({loaded.sha256[:12]}).")
        for each in meanings:
            say(f"- {each}")
        if reroute:
            with database.read() as session:
                waiting = reads.list_open(session)
            for approval_id in waiting:
                with database.begin(patient=True) as session:
                    ctx = operations.load_context(session, policy=loaded.policy, org=org)
                    moved = policy_simulation.reroute_request(ctx, approval_id)
                say(
                    f"- request {moved.id}: "
                    + ("moved" if moved.moved else f"stays as it is: {moved.why}")
                )
        if warning := _describe_left_behind(database, path):
            say(warning)


def _describe_left_behind(database: "Database", applied: Path) -> str:
    """What the next start makes of the file that the settings name, where it isn't the one that was applied."""
    from workflows import policy
    from workflows.errors import GovernanceError
    from workflows.policies import service

    kept = load_settings().mlgov_policy
    if kept.exists() and kept.read_bytes() == applied.read_bytes():
        return ""
    try:
        text = policy.load(kept)
    except GovernanceError:
        return f"{kept} is no policy that can be read, and the next start of mlgov needs one: copy {applied} there."
    with database.read() as session:
        is_earlier = service.replaced(session, text) is not None
    if is_earlier:
        return f"{kept} says an earlier version, which the next start of mlgov leaves alone: copy {applied} there, so that it says what is in force."
    return (
        f"{kept} says something else, and the next start of mlgov goes by it: copy {applied} there."
    )


@app.command()
def show() -> None:
    """Print the policy that is in force, as it was written."""
    from workflows.policies import service

    with open_database() as database, database.read() as session:
        version = service.in_force(session)
        if version is None:
            raise fail("No policy is in force yet; `mlgov policy apply FILE` does it.")
        say(service.written(session, version).rstrip())


@app.command()
def groups() -> None:
    """Say which user group each @handle of the policy in force means, and why one names nobody."""
    from workflows import operations
    from workflows.people import service as people_service

    with open_database() as database:
        org = find_org_key(database)
        with database.read() as session:
            running = _running(session)
            lines = (
                people_service.handles(operations.load_context(session, policy=running[1], org=org))
                if running is not None
                else None
            )
    if lines is None:
        say("No policy is in force yet: `mlgov policy apply` puts one in force.")
        return
    for each in lines or ["The policy names no user group by its handle."]:
        say(each)


@app.command()
def simulate(
    file: File = None,
    since: Annotated[str, typer.Option(help="How far back, like 90d or 12w.")] = "90d",
    as_json: Json = False,
) -> None:
    """Replay past requests under a policy file: which would be routed otherwise, blocked or sped up, and who is asked more."""
    from dataclasses import asdict

    from workflows import clock, operations
    from workflows.approvals import policy_simulation
    from workflows.wording import parse_duration

    path, loaded = _load(file)
    try:
        back = parse_duration(since)
    except ValueError as error:
        raise fail(f"--since: {error}", 2) from None
    with open_database() as database, database.read() as session:
        result = policy_simulation.simulate_policy(
            operations.load_context(session, policy=loaded.policy, org=find_org_key(database)),
            since=clock.now(session) - _as_delta(back),
        )
    if as_json:
        say_json(asdict(result))
        return
    say(f"{path}: {_summarise(result)}")
    for request in result.requests:
        if request.effect != "same":
            say(
                f"- request {request.id} at {request.gate}: {_EFFECTS[request.effect]}: {request.why}"
            )
    _say_asked(result)


_EFFECTS = {
    "routed": "goes another way",
    "sped_up": "needs fewer decisions",
    "blocked": "would be refused",
    "unknown": "cannot be told",
}


def _as_delta(value: object) -> timedelta:
    if not isinstance(value, timedelta):
        raise fail("--since takes a duration like 90d", 2)
    return value


def _summarise(result: Any) -> str:
    from workflows.wording import counted

    counts = [
        f"{result.count(effect)} {words}"
        for effect, words in (
            ("same", "as they went"),
            ("routed", "another way"),
            ("sped_up", "with fewer decisions"),
            ("blocked", "refused"),
            ("unknown", "cannot be told"),
        )
        if result.count(effect)
    ]
    many = counted(len(result.requests), "request")
    return f"{many} replayed: {', '.join(counts)}." if counts else "no request to replay."


def _say_asked(result: Any) -> None:
    changed = sorted(
        (
            (result.asked_after[name] - before, name, before)
            for name, before in result.asked_before.items()
            if result.asked_after[name] != before
        ),
        key=lambda change: (-abs(change[0]), change[1]),
    )
    for more, name, before in changed:
        say(f"- {name} would be asked {before + more} times instead of {before} ({more:+d})")


@app.command()
def schema() -> None:
    """Print the JSON Schema of governance.yml, for editors."""
    from workflows import policy

    say_json(policy.json_schema(), ensure_ascii=True)


@app.command()
def example() -> None:
    """Print a policy to start from."""
    from bot import installed

    say(installed.resource_path("governance.yml").read_text(encoding="utf-8").rstrip())
