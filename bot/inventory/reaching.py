"""What the endpoints of models share: the model or version that a call names, when its token is for it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bot import standing
from bot.api.door import Caller, Door
from bot.context import Deps
from storage.enums import Scope
from workflows.errors import GovernanceError, InvalidInput, NotFound, RefusalFact, first_fault
from workflows.inventory import reads
from workflows.inventory.records import ModelRecord, VersionRecord
from workflows.people import service as people
from workflows.people.records import PersonRecord

T = TypeVar("T")
UNBOUND = "-"
"""Stands for the project of a model that has none: no bound token is for it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Finds what a call is about. Raises NotFound and NotAllowed."""

    deps: Deps
    door: Door

    def model(
        self, session: Session, caller: Caller, scope: Scope, key: str, version: str = ""
    ) -> tuple[ModelRecord, VersionRecord | None]:
        """A model, and one of its versions where that is named."""
        self.door.require(caller, scope)
        word = f"{key}:{version}" if version else key
        policy, bounds = self.deps.policy, caller.token.projects
        try:
            return reads.find_model(session, caller.actor, word, only=bounds, policy=policy)
        except NotFound as unknown:
            if bounds and self._is_beyond(session, caller, key):
                # It is told like what is not there; the try goes on the ledger, after this transaction.
                prefix = caller.token.prefix
                unknown.audit = RefusalFact("token", "token", prefix, why="project")
            raise

    def _is_beyond(self, session: Session, caller: Caller, key: str) -> bool:
        """Whether there is such a model, beyond the bounds of the caller's token."""
        try:
            reads.find_model(session, caller.actor, key, policy=self.deps.policy)
        except NotFound:
            return False
        return True

    def confirm(self, caller: Caller, *words: str | None) -> None:
        """Slack's word on the people whom a call names is fresh, where mlgov knows them. For before its transaction.

        Raises CannotVerify.
        """
        with self.deps.db.read() as session:
            named = {
                known.slack_id
                for word in words
                if word and (known := _find_person(session, word)) and known.slack_id
            }
        standing.confirm_named(self.deps, caller.actor, named)

    def version(
        self, session: Session, caller: Caller, scope: Scope, key: str, version: str
    ) -> tuple[ModelRecord, VersionRecord]:
        """A version of a model."""
        model, record = self.model(session, caller, scope, key, version)
        if record is None:
            raise NotFound(f"{model.name} has no version {version!r}.")
        return model, record


def _find_person(session: Session, word: str) -> PersonRecord | None:
    try:
        return people.look_up(session, word)
    except NotFound:
        return None


def find_person_ids(session: Session, words: Sequence[str], field: str) -> tuple[str, ...]:
    """Person ids of Slack ids or e-mail addresses. Raises InvalidInput for nobody here."""
    person_ids = []
    for word in words:
        try:
            person_ids.append(people.look_up(session, word).id)
        except GovernanceError:
            raise InvalidInput(
                f"Nobody here is {word!r}: give a Slack id, or the e-mail address that Slack knows.",
                field=field,
            ) from None
    return tuple(person_ids)


def call_name(caller: Caller, key: str | None, *parts: str) -> str:
    """The name of a call, which the same caller's repetition shares."""
    whole = "\n".join(parts if key is None else (key,))
    return f"api:{caller.actor.id}:{hashlib.sha256(whole.encode()).hexdigest()}"


def with_refusals(work: Callable[[Session], T]) -> Callable[[Session], T]:
    """What a form refuses, as a refusal of the API."""

    def run(session: Session) -> T:
        try:
            return work(session)
        except ValidationError as error:
            place, sentence = first_fault(error)
            raise InvalidInput(sentence, field=place or None) from None

    return run
