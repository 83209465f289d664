"""The way a request would take, told in the window before it is sent: who is asked, in which order, how many."""

from bot import blocks
from workflows.approvals.routing import Leg, Route
from workflows.wording import counted

_NAMES = 3


def describe_route(route: Route) -> str:
    """`Decided by: Budget owner (Ana Ruiz), then if …, Finance (2 of 4 people)`, for mrkdwn."""
    sentence = f"Decided by: {', then '.join(_leg(leg) for leg in route.legs)}."
    people = counted(route.notified, "person", "people")
    sentence += f"\nAt most {people} {'gets' if route.notified == 1 else 'get'} a message, one stage after the other."
    if route.passes_when:
        sentence += f"\nPasses by rule, without asking anybody, if `{blocks.escape(route.passes_when, 150)}`."
    return sentence


def _leg(leg: Leg) -> str:
    names = [blocks.escape(name, 60) for name in leg.people]
    if not names:
        who = "nobody"
    elif leg.needs > 1:
        who = f"{leg.needs} of {counted(len(names), 'person', 'people')}"
    elif len(names) <= _NAMES:
        who = " or ".join(names)
    else:
        who = f"one of {counted(len(names), 'person', 'people')}"
    only = f"if `{blocks.escape(leg.when, 120)}`, " if leg.when else ""
    return f"{only}{blocks.escape(leg.name, 60)} ({who})"
