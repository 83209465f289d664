"""The process that reads: it takes one order a line, and says a word about each. It knows no secret and no database."""

import ctypes
import importlib
import json
import math
import os
import resource
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workflows.errors import GovernanceError
from workflows.sources.apart.work import ANSWER, DATA, Faulty, Job, TooMuch
from workflows.sources.errors import FileTooLarge

MEMORY = 2_000_000_000
"""Bytes of address space; DuckDB's own limits, which refuse in words, lie far below."""
FILE = 1_000_000_000
"""Bytes of any one file that is written."""
POLITE = 5
"""How far it stands back for whoever answers people."""
_SHOWN = 20


def main() -> None:
    """Serve until nobody gives orders any more."""
    # Nothing that a library prints may be taken for an answer.
    telling = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _confine()
    for module in sys.argv[1:]:
        importlib.import_module(module)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    telling.write("ready\n")
    telling.flush()
    for line in sys.stdin.buffer:
        order = json.loads(line)
        _limit_processor(order["seconds"])
        telling.write(json.dumps(_done(order)) + "\n")
        telling.flush()
        _trim()


def _confine() -> None:
    os.nice(POLITE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _limit_processor(seconds: float) -> None:
    """Should nobody be left who ends it, the system does."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + 4 * seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _trim() -> None:
    """Give back what the last job held; only glibc needs to be told."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return


def _done(order: dict[str, Any]) -> dict[str, Any]:
    """Do it, and say how it ended."""
    place = Path(order["place"])
    tempfile.tempdir = str(place)
    try:
        module, _, name = order["job"].partition(":")
        job: Job[Any, Any] = getattr(importlib.import_module(module), name)
        asked = job.asked.validate_python(order["asked"])
        answer = job.answered.dump_json(job.work(place / DATA, asked))
        (place / ANSWER).write_bytes(answer)
    except (TooMuch, FileTooLarge) as error:
        return {"ended": "too_much", "sentence": error.sentence, "field": error.field}
    except MemoryError:
        return {"ended": "too_much", "sentence": "", "field": None}
    except Faulty as error:
        return {"ended": "faulty", "faults": error.faults, "is_json": error.is_json}
    except ValidationError as error:
        return {"ended": "faulty", "faults": faults(error), "is_json": True}
    except GovernanceError as error:
        return {"ended": "refused", "sentence": error.sentence, "field": error.field}
    except Exception as error:
        # Where it broke, and never what it read: that may be people's words.
        trace = traceback.format_list(traceback.extract_tb(error.__traceback__))
        return {"ended": "broke", "why": type(error).__name__, "trace": "".join(trace)}
    return {"ended": "done"}


def faults(error: ValidationError) -> list[tuple[str, str]]:
    """Where a form is wrong, and why: the first twenty."""
    every = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        (
            ".".join(str(part) for part in ("body", *one["loc"]))[:200],
            str(one["msg"]).removeprefix("Value error, ")[:300],
        )
        for one in every[:_SHOWN]
    ]


if __name__ == "__main__":
    main()
