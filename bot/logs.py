"""How mlgov logs: one line an event on standard error, as text or as JSON, those of its libraries included."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any

from bot import acts

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
        if (act := acts.current()) is not None:
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
