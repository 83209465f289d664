"""How a command ends when something goes wrong: one sentence and an exit code, and never a traceback.

What is expected is said where it is known. Here is the last handler: it knows the kinds of trouble that can meet any
command, and for the rest it says where mlgov broke, under a reference that the same fault always has.
"""

import errno
import hashlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

INTERRUPTED = 130
"""What shells give for a program that Ctrl+C ended."""
_ROOT = Path(__file__).parents[2]
_OURS = ("bot", "workflows", "storage", "sandbox")
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


def run_guarded(command: Callable[[], None]) -> int:
    """Run a command; its exit code. Whatever it raises ends as one sentence on standard error."""
    # It logs whole pages that a proxy answers; what is wrong is said here, in words.
    logging.getLogger("slack_sdk.web.base_client").setLevel(logging.CRITICAL)
    before, threading.excepthook = threading.excepthook, _in_thread
    outages = logging.getLogger("storage.outage")
    # A command doesn't wait until the database is back: it says why and ends. `mlgov run` turns this on once it runs.
    were_told, outages.disabled = outages.disabled, True
    code = 0
    try:
        try:
            command()
        except SystemExit as error:
            code = _code(error)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has gone; Python would complain once more while closing standard output.
        _close_output()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        say_error(error)
        _close_output()
        return 1
    finally:
        threading.excepthook = before
        outages.disabled = were_told
    return code


def _code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)  # noqa: T201 - as Python itself does
    return 1


def _close_output() -> None:
    """Python flushes once more while it ends; what could not be written then is not told twice."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_error(error: BaseException) -> None:
    """The sentence on standard error; with MLGOV_LOG=debug the traceback before it."""
    if _is_debugging():
        traceback.print_exception(error)
    print(describe_error(error), file=sys.stderr, flush=True)  # noqa: T201 - the last word, whatever broke


def _in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        say_error(args.exc_value)


def _is_debugging() -> bool:
    return os.environ.get("MLGOV_LOG", "").strip().casefold() == "debug"


def describe_error(error: BaseException) -> str:
    """What a person reads about an exception."""
    try:
        known = _known(error)
    except (
        Exception
    ):  # a broken installation cannot load what knows; the sentence has to come all the same
        known = None
    return known or _unexpected(error)


def _known(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"{_place(error)}: there's no room left to write. Make room, then run it again."
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        name = error.name.partition(".")[0]
        if name not in _OURS:
            return f"The library {name} is missing from this installation. Install mlgov again: pip install --force-reinstall mlgov."
    if isinstance(error, MemoryError):
        return "The machine has no memory left for this. Nothing more was done."
    return _of_ours(error) or _of_files(error) or _of_the_api(error)


def _of_the_api(error: BaseException) -> str | None:
    """A command reads the API's answer as mlgov writes it; whoever answers in another shape is no mlgov."""
    calling = sys.modules.get("bot.cli.calling")
    is_stumble = isinstance(error, TypeError | AttributeError | ValueError | LookupError)
    if calling is None or not is_stumble or not calling.Caller.has_answered:
        return None
    return f"{calling.NotMlgov('What came back').sentence} (ref {_reference(error)[1]})"


def _of_ours(error: BaseException) -> str | None:
    from workflows.errors import GovernanceError

    if isinstance(error, GovernanceError):
        return error.sentence
    from bot.settings import SettingsRefused

    if isinstance(error, SettingsRefused):
        return str(error)
    from slack_sdk.errors import SlackApiError, SlackClientError

    if isinstance(error, SlackApiError | SlackClientError):
        from bot import slack_words

        return slack_words.describe_refusal(error, "SLACK_BOT_TOKEN", "Slack's API")
    from httpx import HTTPError, InvalidURL

    if isinstance(error, HTTPError | InvalidURL):
        return f"A server can't be reached ({type(error).__name__}). `mlgov doctor` says which."
    from bot import opening

    return opening.describe_error(error)


def _of_files(error: BaseException) -> str | None:
    if not isinstance(error, OSError) or error.strerror is None:
        return None
    if error.filename is None:
        return None
    return f"{_place(error)}: {error.strerror}. Check the path, and that this user may use it."


def _place(error: OSError) -> str:
    return str(error.filename) if error.filename is not None else "The disk"


def _unexpected(error: BaseException) -> str:
    place, reference = _reference(error)
    return (
        f"mlgov broke where it shouldn't: {type(error).__name__} at {place} (ref {reference}). "
        "MLGOV_LOG=debug shows all of it; please report it with the reference."
    )


def _reference(error: BaseException) -> tuple[str, str]:
    """Where in mlgov it broke, and what names this fault: the same each time it breaks there in the same way."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{_relative(one.filename)}:{one.lineno}" for one in frames]
    ours = [place for place in places if place.startswith(_OURS)]
    marks = "\n".join([type(error).__name__, *ours])
    reference = hashlib.sha256(marks.encode()).hexdigest()[:6]
    return ours[-1] if ours else "a library", reference


def _relative(file: str) -> str:
    try:
        return str(Path(file).relative_to(_ROOT))
    except ValueError:
        return ""
