"""Who may see and do what, asked by everything that shows data or changes it."""

from workflows.actors import Actor, ActorKind
from workflows.errors import NotAllowed, RefusalFact

MEMBERSHIP = "membership"
"""On the ledger, the action of whoever tried something in Slack without being a member."""


def require_member(
    actor: Actor, action: str, *, subject: tuple[str, str | int] = ("bot", "")
) -> None:
    """Refuse everyone who is not a full, active member of the organisation, with a sentence of their own.

    Raises NotAllowed, to be audited: a stranger at a button is something an auditor wants to see.
    """
    if actor.is_member or actor.kind is not ActorKind.PERSON:
        return
    if actor.is_deactivated:
        code, sentence = (
            "deactivated",
            "Your account is deactivated, so mlgov can't act for you.",
        )
    elif actor.is_stranger:
        code = "stranger"
        sentence = "You are from another organisation, so mlgov can't act for you here. Nothing was changed."
    elif actor.is_bot:
        code, sentence = (
            "bot",
            "Bots can't use mlgov as people do. They can ask through the HTTP API.",
        )
    else:
        code = "guest"
        sentence = (
            "You are a guest in this workspace, and guests can't use mlgov. Nothing was changed."
        )
    raise NotAllowed(sentence, audit=RefusalFact(action, subject[0], str(subject[1]), why=code))
