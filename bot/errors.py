"""The one place where an error becomes words, and where a refusal that matters is put on the ledger."""

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from bot import acts, blocks, hints
from bot.context import Deps
from bot.interactions import UNREADABLE, WrongFields, faults_of
from bot.replies import FieldErrors, Private, Reply, Show
from storage.db import CannotWrite, DatabaseAway, DatabaseBusy
from storage.people import readings
from workflows import permissions
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, RefusalFact

log = logging.getLogger("mlgov")

_OUT_OF_RANGE = "22003"
"""PostgreSQL's `numeric_value_out_of_range`."""

AWAY = "mlgov can't reach its database just now. Nothing was changed; try again in a minute."
BUSY = "mlgov is busy just now. Nothing was changed; try again in a moment."
CANNOT_WRITE = "mlgov can't write anything down just now, so nothing was changed. You can still look things up; tell an administrator, who finds the reason in the log."


def sentence_for(
    error: Exception, deps: Deps | None, actor: Actor | None, *, in_slack: bool = True
) -> str:
    """What the person reads. An expected refusal speaks for itself; anything else is logged under a reference.

    The reference is that of what is being answered, whose line in the log it finds as well.
    """
    if isinstance(error, GovernanceError):
        acts.note_refusal()
        sentence = hints.sentence(error) if in_slack else error.sentence
        if error.audit is not None and deps is not None and actor is not None:
            _record(error, deps, actor)
        elif isinstance(error, _BY_THE_MIRROR) and deps is not None:
            return f"{sentence}{_unread(deps)}"
        return sentence
    if isinstance(error, ValidationError) or _is_beyond_any_record(error):
        # A form refused what came, and no field of its window is to blame.
        acts.note_refusal()
        return UNREADABLE
    acts.note_outcome(acts.FAILED)
    if isinstance(error, CannotWrite):
        return CANNOT_WRITE
    if isinstance(error, DatabaseAway):
        return AWAY
    if isinstance(error, DatabaseBusy):
        return BUSY
    act = acts.current()
    reference = act.reference if act else acts.new_reference()
    log.error("something broke (ref %s)\n%s", reference, "".join(traceback.format_exception(error)))
    return f"Something broke on our side. Nothing was changed; if it happens again, tell an administrator. (ref {reference})"


def _is_beyond_any_record(error: Exception) -> bool:
    """Whether somebody asked for a number that is larger than any id: SQLite's driver and PostgreSQL refuse it."""
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "sqlstate", None) == _OUT_OF_RANGE
    return isinstance(error, OverflowError)


_BY_THE_MIRROR = (NotAllowed, NotFound)
"""Refusals that mostly rest on who is in which user group."""


def _unread(deps: Deps) -> str:
    """What to add where nobody has read yet who is in Slack: then it is no wonder."""
    with deps.db.read() as session:
        parts = readings.list_unread(session)
    if not parts:
        return ""
    words = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
    return (
        f" But mlgov hasn't read Slack's {words} yet; try again in a few minutes, or ask an administrator"
        " whether `mlgov doctor` says why."
    )


def as_private(error: Exception, deps: Deps | None, actor: Actor | None) -> Private:
    """The same words for a message that Slack reads as mrkdwn: a name in them pings nobody and links nowhere."""
    return Private(blocks.harmless(sentence_for(error, deps, actor)))


def _record(error: GovernanceError, deps: Deps, actor: Actor) -> None:
    fact = error.audit
    if fact is None:
        return
    is_due, kept_back = deps.refusals.is_due(actor.id, _kind(fact))
    if not is_due:
        return
    try:
        deps.db.run(
            lambda session: audit.record(
                session,
                actor,
                f"{fact.action}.refused",
                (fact.subject_type, fact.subject_id),
                now=deps.now(session),
                **fact.facts,
                **({"kept_back": kept_back} if kept_back else {}),
            )
        )
    except DatabaseBusy:
        log.warning("a refusal could not be put on the ledger")


def _kind(fact: RefusalFact) -> str:
    """What makes a refusal the same as one before: who is no member is refused everywhere for the one reason."""
    why = str(fact.facts.get("why", ""))
    if fact.action == permissions.MEMBERSHIP:
        return f"{fact.action}:{why}"
    return f"{fact.action}:{fact.subject_type}:{fact.subject_id}:{why}"


def as_reply(
    error: Exception, deps: Deps | None, actor: Actor | None, *, view: Mapping[str, Any] | None
) -> Reply:
    """The same words where the person was: under the field, in the modal, or beside the message."""
    if isinstance(error, ValidationError) and view is not None:
        try:
            error = WrongFields(faults_of(error, view))
        except InvalidInput as unreadable:
            error = unreadable
    words = sentence_for(error, deps, actor)
    if view is None or view.get("type") == "home":
        return Private(blocks.harmless(words))
    if isinstance(error, WrongFields):
        return FieldErrors({at: blocks.cut(each, 2000) for at, each in error.faults.items()})
    inputs = [block["block_id"] for block in view.get("blocks", ()) if block.get("type") == "input"]
    field = error.field if isinstance(error, GovernanceError) else None
    if inputs:
        at_fault = field if field is not None and field in inputs else inputs[-1]
        return FieldErrors({at_fault: blocks.cut(words, 2000)})
    return Show(notice_view("mlgov", words))


def notice_view(title: str, words: str) -> dict[str, Any]:
    """A modal that only says something."""
    return blocks.modal(
        title, [blocks.section(blocks.escape(words, 2900))], callback_id="notice", close="Close"
    )
