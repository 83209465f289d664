"""One thing that somebody asked of mlgov, from its arrival to its answer: one line in the log, under one reference.

The reference is what a person reads in "something broke (ref ab12cd)", so that an operator finds the line and the
traceback. A line holds ids and words of ours alone: no name, nothing that was typed.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

log = logging.getLogger("mlgov.action")

OK, REFUSED, FAILED = "ok", "refused", "failed"
UNKNOWN = "unknown"


def new_reference() -> str:
    """A reference that is short enough to be read out."""
    return secrets.token_hex(3)


@dataclass(slots=True)
class Act:
    """What is being answered. `actor` is the opaque id that the ledger keeps."""

    kind: str
    action: str = UNKNOWN
    actor: str | None = None
    outcome: str = OK
    level: int = logging.INFO
    reference: str = field(default_factory=new_reference)
    waited: float = 0.0
    """Seconds that it has waited for Slack's word on people."""


_current: ContextVar[Act | None] = ContextVar("act", default=None)


def current() -> Act | None:
    """What this thread answers at this moment."""
    return _current.get()


def name_actor(actor_id: str) -> None:
    """Who asks is known now."""
    if (act := _current.get()) is not None:
        act.actor = actor_id


def name_action(action: str) -> None:
    """What is asked is known now, by a name of ours."""
    if (act := _current.get()) is not None:
        act.action = action


def note_outcome(outcome: str) -> None:
    """It did not go well: REFUSED, as expected of mlgov, or FAILED, as nobody expects."""
    if (act := _current.get()) is not None:
        act.outcome = outcome


def note_refusal() -> None:
    """It was refused in words, unless something worse is known of it."""
    if (act := _current.get()) is not None and act.outcome == OK:
        act.outcome = REFUSED


@contextmanager
def log_act(act: Act, *, began: float | None = None) -> Iterator[Act]:
    """Answer something: `began` is the monotonic time at which it arrived. It is logged when the block is left."""
    began = time.monotonic() if began is None else began
    token = _current.set(act)
    try:
        yield act
    except BaseException:
        act.outcome = FAILED
        raise
    finally:
        _current.reset(token)
        write(act, time.monotonic() - began)


def write(act: Act, seconds: float, *, about: str = "") -> None:
    """The line of an act that took so long; `about` is its subject, by ids alone."""
    log.log(
        act.level,
        "%s %s%s: %s in %.0f ms (actor %s, ref %s)",
        act.kind,
        act.action,
        f" of {about}" if about else "",
        act.outcome,
        seconds * 1000,
        act.actor or "-",
        act.reference,
        extra={
            "request": act.reference,
            "actor": act.actor,
            "kind": act.kind,
            "action": act.action,
            "outcome": act.outcome,
            "milliseconds": round(seconds * 1000, 1),
            "about": about or None,
        },
    )
