"""How mlgov logs: one line an event on standard error, as text or as JSON, those of its libraries included."""

import json
import logging
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# --- One thing that somebody asked of mlgov, from its arrival to its answer
#
# one line in the log, under one reference. The reference is what a person reads in "something
# broke (ref ab12cd)", so that an operator finds the line and the traceback. A line holds ids
# and words of ours alone: no name, nothing that was typed.

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


# --- How mlgov logs
#
# one line an event on standard error, as text or as JSON, those of its libraries included.

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_LIBRARIES = ("slack_bolt", "slack_sdk", "apscheduler", "sqlalchemy", "httpx", "uvicorn", "alembic")
"""They speak when they warn."""
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; anything else was added by whoever logged it."""


class Json(logging.Formatter):
    """One JSON object a line: time, level, logger, message; what an act adds to it; the traceback as `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """As logging asks."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (act := current()) is not None:
            line["request"] = act.reference
        line |= {
            key: value
            for key, value in vars(record).items()
            if key not in _OWN and value is not None
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _OnceAMinute(logging.Filter):
    """Lets each template of a chatty library pass once a minute: a socket that cannot connect says so every second."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is logged."""
        kind = str(record.msg)[:40]
        with self._lock:
            if record.created - self._told.get(kind, float("-inf")) < 60:
                return False
            if len(self._told) > 200:
                self._told.clear()
            self._told[kind] = record.created
        return True


def configure(level: str, format_: str = "text") -> None:
    """Log to standard error from now on, everything in one form; libraries only when they warn."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if format_ == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.captureWarnings(True)
    threading.excepthook = _unhandled
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("mlgov.bolt", "slack_sdk.web.base_client"):
        logger = logging.getLogger(name)
        if not any(isinstance(one, _OnceAMinute) for one in logger.filters):
            logger.addFilter(_OnceAMinute())


def _unhandled(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and not isinstance(given.exc_value, SystemExit):
        logging.getLogger("mlgov").error(
            "the thread %s ended",
            given.thread.name if given.thread else "?",
            exc_info=given.exc_value,
        )
