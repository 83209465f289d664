"""The one place where an error becomes words, and where a refusal that matters is put on the ledger."""

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from bot import logs
from bot.deps import Deps
from bot.slack import blocks
from bot.slack.interactions import UNREADABLE, WrongFields, faults_of, place_faults
from bot.slack.replies import FieldErrors, Private, Reply, Show
from storage.db import CannotWrite, DatabaseAway, DatabaseBusy
from storage.people import readings
from workflows import permissions
from workflows.audit import service as audit
from workflows.context import Actor
from workflows.errors import (
    GovernanceError,
    InvalidInput,
    InvalidInputs,
    NotAllowed,
    NotFound,
    RefusalFact,
)

# --- What Slack adds to a refusal
#
# what to type or press to go on. Other surfaces show the refusal alone.

HINTS = {
    "absences.overlapping": "`/mlgov away` shows it and ends it.",
    "absences.own": "`/mlgov away` shows yours.",
    "approvals.waiting": "`/mlgov approvals` lists what waits for you.",
    "budgets.list": "`/mlgov budget` lists yours.",
    "cases.list": "`/mlgov propose` lists yours.",
    "digests.decided": "The card shows by whom.",
    "digests.preview": "`/mlgov digest preview` shows how things stand now.",
    "digests.sample": "`/mlgov digest preview` shows what it would say.",
    "help": "`/mlgov help` lists what you can ask.",
    "home": "Open the Home tab again.",
    "maturity.answers": "`/mlgov maturity answers` shows what you said.",
    "maturity.close": "`/mlgov maturity close` closes it.",
    "maturity.own": "`/mlgov maturity` shows your own.",
    "maturity.possible": "`/mlgov maturity` shows what you can do.",
    "maturity.reopen": "Open it again from `/mlgov maturity`.",
    "maturity.result": "`/mlgov maturity` shows its result.",
    "maturity.results": "`/mlgov maturity` shows yours, and how an open check-in goes.",
    "maturity.targets": "`/mlgov maturity targets` shows what is missing now.",
    "milestones.list": "`/mlgov milestones` lists yours.",
    "milestones.own": "`/mlgov milestones` lists what is yours.",
    "milestones.reschedule": "The button Reschedule asks for it.",
    "models.list": "`/mlgov models` lists those that you see.",
    "models.show": "`/mlgov model NAME` shows it.",
    "projects.list": "`/mlgov status` lists yours.",
    "registry.waiting": "The card lists it.",
    "window": "Open the window again.",
}
"""Code that a refusal carries (`GovernanceError.hint`) → the sentence that Slack adds."""


def add_hint(error: GovernanceError) -> str:
    """The refusal with its hint, as Slack shows it."""
    return f"{error.sentence} {HINTS[error.hint]}" if error.hint else error.sentence


# --- The one place where an error becomes words, and where a refusal that matters is put on the
#     ledger

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
        logs.note_refusal()
        sentence = add_hint(error) if in_slack else error.sentence
        if error.audit is not None and deps is not None and actor is not None:
            _record(error, deps, actor)
        elif isinstance(error, _BY_THE_MIRROR) and deps is not None:
            return f"{sentence}{_unread(deps)}"
        return sentence
    if isinstance(error, ValidationError) or _is_beyond_any_record(error):
        # A form refused what came, and no field of its window is to blame.
        logs.note_refusal()
        return UNREADABLE
    logs.note_outcome(logs.FAILED)
    if isinstance(error, CannotWrite):
        return CANNOT_WRITE
    if isinstance(error, DatabaseAway):
        return AWAY
    if isinstance(error, DatabaseBusy):
        return BUSY
    act = logs.current()
    reference = act.reference if act else logs.new_reference()
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
        deps.act(
            actor,
            lambda ctx: audit.record(
                ctx,
                f"{fact.action}.refused",
                (fact.subject_type, fact.subject_id),
                **fact.facts,
                **({"kept_back": kept_back} if kept_back else {}),
            ),
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
    if isinstance(error, InvalidInputs):
        faults: list[tuple[str | None, str]] = list(error.faults.items())
    else:
        faults = [(error.field if isinstance(error, GovernanceError) else None, words)]
    if placed := place_faults(faults, view):
        return FieldErrors({block: blocks.cut(each, 2000) for block, each in placed.items()})
    return Show(notice_view("mlgov", words))


def notice_view(title: str, words: str) -> dict[str, Any]:
    """A modal that only says something."""
    return blocks.modal(
        title, [blocks.section(blocks.escape(words, 2900))], callback_id="notice", close="Close"
    )
