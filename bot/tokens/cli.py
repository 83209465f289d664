"""`mlgov token`: tokens for programs. People make their own in Slack, by `/mlgov token`."""

from typing import Annotated

import typer

from bot.cli.base import (
    Json,
    act,
    fail,
    find_org_key,
    load_policy_text,
    open_database,
    print_table,
    say,
    say_json,
)

app = typer.Typer(help="Make, list and revoke tokens for programs.", no_args_is_help=True)

SCOPES = "approvals:ask, approvals:read, costs:write, status:read, models:read, models:write or returns:write; may be given more than once."


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="What the token is for, like release-pipeline; cards show it.")
    ],
    scope: Annotated[list[str], typer.Option("--scope", help=SCOPES)],
    expires: Annotated[
        str, typer.Option("--expires", help="How long it lasts: 90m, 24h, 30d, 12w.")
    ] = "90d",
    project: Annotated[
        list[str] | None,
        typer.Option("--project", help="Only for this project; may be given more than once."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option("--gate", help="Only for this gate; may be given more than once."),
    ] = None,
) -> None:
    """Make a token and print it, once. It is not kept: who loses it makes a new one."""
    from pydantic import ValidationError

    from workflows import operations
    from workflows.errors import first_fault
    from workflows.tokens import service
    from workflows.tokens.service import NewToken
    from workflows.wording import parse_duration

    try:
        form = NewToken.model_validate(
            {
                "name": name,
                "scopes": scope,
                "projects": [key.strip().casefold() for key in project or ()],
                "gates": [key.strip().replace("-", "_") for key in gate or ()],
                "lasts": parse_duration(expires),
            }
        )
    except ValidationError as error:
        hint = " They do it by `/mlgov token` in Slack." if "approvals:decide" in scope else ""
        raise fail(": ".join(first_fault(error)) + hint, 2) from None
    except ValueError as error:
        raise fail(f"--expires {expires}: {error}.", 2) from None
    policy = load_policy_text().policy
    with open_database() as database:
        key = find_org_key(database)
        with database.begin() as session:
            ctx = operations.load_context(session, policy=policy, org=key)
            secret, token = service.create(ctx, form)
    typer.echo(
        f"{token.prefix} for {', '.join(token.scopes)}, until {token.expires_at:%d %b %Y %H:%M} UTC. "
        "This is shown once:",
        err=True,
    )
    say(secret)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List tokens, people's own too; never the tokens themselves."""
    from workflows import clock
    from workflows.tokens import service

    with open_database() as database, database.read() as session:
        now = clock.now(session)
        tokens = service.list_tokens(session)
    if as_json:
        output = [
            {
                "prefix": token.prefix,
                "kind": token.kind,
                "name": token.name,
                "acts_as": token.person_id,
                "scopes": token.scopes,
                "projects": token.projects,
                "gates": token.gates,
                "state": token.state(now),
                "expires_at": token.expires_at.isoformat(),
                "last_used_at": token.last_used_at.isoformat() if token.last_used_at else None,
            }
            for token in tokens
        ]
        say_json(output, ensure_ascii=True)
        return
    if not tokens:
        say("There are no tokens. `mlgov token create` makes one.")
        return
    print_table(
        ("token", "whose", "for", "bound to", "state", "until", "last used"),
        [
            (
                token.prefix,
                token.whose,
                ", ".join(token.scopes),
                ", ".join((*token.projects, *token.gates)) or "everything",
                token.state(now),
                f"{token.expires_at:%d %b %Y}",
                f"{token.last_used_at:%d %b %H:%M}" if token.last_used_at else "never",
            )
            for token in tokens
        ],
    )


@app.command()
def revoke(
    token: Annotated[
        str, typer.Argument(help="Its first characters, as `mlgov token list` shows them.")
    ],
) -> None:
    """End a token at once, a program's or a person's."""
    from workflows.tokens import service

    ended = act(service.revoke, token)
    say(f"{ended.prefix} is revoked: it opens nothing any more.")
