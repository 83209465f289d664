"""`mlgov approvals explain`: why each person could or could not decide a request."""

from typing import Annotated

import typer

from bot.cli.base import Json, find_org_key, load_policy_text, open_database, say, say_json


def explain(
    request: Annotated[int, typer.Argument(help="The number of the request.")],
    as_json: Json = False,
) -> None:
    """Say for every stage why each person could or could not decide it."""
    from dataclasses import asdict

    from workflows import clock, decisions

    policy = load_policy_text().policy
    with open_database() as database, database.read() as session:
        explanation = decisions.explain(
            session, request, policy=policy, now=clock.now(session), org_key=find_org_key(database)
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
