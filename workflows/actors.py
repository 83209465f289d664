"""Who acts: the value that every action takes, built by an edge from a signed request and never from a name."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """A person, mlgov itself (timers), whoever operates the machine it runs on (the command line), or a program."""

    PERSON = "person"
    SYSTEM = "system"
    OPERATOR = "operator"
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who asks for something. `id` is the opaque id that the ledger keeps."""

    id: str
    kind: ActorKind
    name: str
    slack_id: str | None = None
    tz: str | None = None
    is_guest: bool = False
    is_stranger: bool = False
    is_bot: bool = False
    is_deactivated: bool = False

    @property
    def is_member(self) -> bool:
        """A full, active member of the organisation: neither guest, stranger, bot nor leaver."""
        return self.kind is ActorKind.PERSON and not (
            self.is_guest or self.is_stranger or self.is_bot or self.is_deactivated
        )


SYSTEM = Actor(id="system", kind=ActorKind.SYSTEM, name="mlgov")
OPERATOR = Actor(id="operator", kind=ActorKind.OPERATOR, name="the operator")
