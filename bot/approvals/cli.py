"""`mlgov approvals explain`: why each person could or could not decide a request."""

from typing import Annotated, Any

import typer

from bot.cli.base import (
    Json,
    fail,
    find_org_key,
    load_policy_text,
    open_database,
    print_table,
    say,
    say_json,
)


def explain(
    request: Annotated[int, typer.Argument(help="The number of the request.")],
    as_json: Json = False,
) -> None:
    """Say for every stage why each person could or could not decide it."""
    from dataclasses import asdict

    from workflows import operations
    from workflows.approvals import policy_simulation

    policy = load_policy_text().policy
    with open_database() as database, database.read() as session:
        explanation = policy_simulation.explain_request(
            operations.load_context(session, policy=policy, org=find_org_key(database)), request
        )
    card = explanation.card
    if as_json:
        output = {
            "id": card.id,
            "state": card.state.value,
            "by_rule": card.by_rule,
            "left_out": [asdict(dropped) for dropped in card.dropped],
            "stages": [
                {"name": name, "people": [asdict(dropped) for dropped in people]}
                for name, people in explanation.stages
            ],
        }
        say_json(output)
        return
    say(f"Request {card.id}, {card.state.value}: {card.words.project} asks to {card.words.asks}")
    say(f"Policy version {card.policy_id}, expires {card.expires_at:%Y-%m-%d %H:%M} UTC")
    if card.by_rule:
        say(f"It passed by rule, nobody was asked: {card.by_rule}")
    for dropped in card.dropped:
        say(f"{dropped.name} is left out: {dropped.when} does not hold")
    for position, (name, people) in enumerate(explanation.stages):
        stage = card.rounds[position]
        say(f"{position + 1}. {name}: {stage.approved} of {stage.quorum} approved")
        for each in people:
            say(f"   {'+' if each.can else '-'} {each.name}: {each.why}")
        if not people:
            say("   nobody is reached by it now")


# --- `mlgov approvals`
#
# what waits, and deciding it, through the API and with your own token.

app = typer.Typer(
    help="List, show and decide requests through the API; explain them from the database.",
    no_args_is_help=True,
)
app.command()(explain)

RequestId = Annotated[int, typer.Argument(help="The request's number.", min=1)]


@app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(help="pending, approved, rejected, expired or withdrawn.")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only what waits for you.")] = False,
    gate: Annotated[str | None, typer.Option(help="Only at this gate.")] = None,
    as_json: Json = False,
) -> None:
    """List requests, newest first."""
    from bot.cli.calling import call_once, caller

    params: dict[str, Any] = {"state": state, "gate": gate, "mine": mine or None}
    params = {name: str(value).lower() for name, value in params.items() if value}
    with caller() as api:
        requests = call_once(api, "GET", "/approvals", params=params)["approvals"]
    if as_json:
        say_json(requests)
        return
    if not requests:
        say("Nothing waits for you." if mine else "There are no such requests.")
        return
    print_table(
        ("id", "gate", "what", "how it stands", "decide by"),
        [
            (
                str(request["id"]),
                request["gate"],
                request["asks"],
                request["news"],
                _minute(request["decide_by"]),
            )
            for request in requests
        ],
    )


@app.command()
def show(request: RequestId, as_json: Json = False) -> None:
    """Show one request and how it stands."""
    from bot.cli.calling import call_once, caller

    with caller() as api:
        answer = call_once(api, "GET", f"/approvals/{request}")
    if as_json:
        say_json(answer)
        return
    for line in _describe_request(answer):
        say(line)


@app.command()
def decide(
    request: RequestId,
    verdict: Annotated[str, typer.Argument(help="approve or reject.")],
    reason: Annotated[str, typer.Option(help="Why; a rejection needs it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Approve or reject as yourself. It counts exactly as a click in Slack does."""
    from bot.cli.calling import call_once, caller

    if verdict not in ("approve", "reject"):
        raise fail(f"{verdict}: write approve or reject.", 2)
    with caller() as api:
        current = call_once(api, "GET", f"/approvals/{request}")
        if not yes:
            for line in _describe_request(current):
                typer.echo(line, err=True)
            if not typer.confirm(f"{verdict.capitalize()} this?", err=True):
                raise fail("Nothing was decided.")
        decided = call_once(
            api,
            "POST",
            f"/approvals/{request}/decisions",
            body={"verdict": verdict, "revision": current["revision"], "reason": reason},
        )
    say(decided["news"])


def _describe_request(request: dict[str, Any]) -> list[str]:
    asked_by = request["requested_by"]["name"]
    return [
        request["asks"],
        request["news"],
        f"“{request['reason']}” — {asked_by}, {_minute(request['requested_at'])}",
        *(
            f"{label}: {request[label]}"
            for label in ("digest", "commit", "environment")
            if request.get(label)
        ),
        *(
            f"{stage['name']}: {stage['approved']} of {stage['quorum']} approved ({stage['state']})"
            for stage in request["stages"]
        ),
        *(_describe_decision(one) for one in request["decisions"]),
        *(
            [f"Decide by {_minute(request['decide_by'])}; then it expires."]
            if request["state"] == "pending"
            else []
        ),
    ]


def _describe_decision(decision: dict[str, Any]) -> str:
    why = f": {decision['reason']}" if decision["reason"] else ""
    return f"{decision['by']['name']} said {decision['verdict']}, {_minute(decision['at'])}{why}"


def _minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
