"""Separation of duties: who may not decide, and who must be different people. Pure."""

from itertools import combinations

from workflows.actors import Actor
from workflows.errors import NotAllowed, RefusalFact
from workflows.policy import Gate
from workflows.subjects import Prepared

_DID = {"requester": "asked for", "developer": "developed", "validator": "validated"}


def list_apart(gate: Gate, prepared: Prepared, actor: Actor) -> dict[str, str]:
    """Who may not decide beside the requester, by person id, each with what they are to the subject.

    Raises NotAllowed when two parts that the gate wants apart are one person.
    """
    parts = {
        part: actor.id if part == "requester" else prepared.people.get(part)
        for part in gate.separate
        if part in _DID
    }
    for (part_, first), (other, second) in combinations(parts.items(), 2):
        if first is not None and first == second:
            raise NotAllowed(_describe_same(part_, other), audit=_build_fact(part_, other))
    apart: dict[str, str] = {person: part for part, person in parts.items() if person}
    for part, people in prepared.also.items():
        if part in gate.separate:
            for person in people:
                apart.setdefault(person, part)
    if prepared.is_apart or "contributors" in gate.separate:
        for person in prepared.contributors:
            apart.setdefault(person, "contributor")
    apart.pop(actor.id, None)
    return apart


def _describe_same(part: str, other: str) -> str:
    if part == "requester":
        return (
            f"You {_DID[other]} this, so the policy wants somebody else to ask for it. Nothing was sent; "
            "ask a colleague to open the request."
        )
    return (
        f"The same person {_DID[part]} and {_DID[other]} this, and the policy wants two. Nothing was sent; "
        "have it validated by somebody else first."
    )


def _build_fact(part: str, other: str) -> RefusalFact:
    return RefusalFact("approval.submit", "bot", "", why="not_separate", parts=[part, other])
