"""The process that loads a model: `python -I -m workflows.sources.permutation.child ASKED ANSWERED`.

What a model brings along may be anybody's code. So this process has no credentials in its environment, gives up the
network and more memory than it is granted before it reads a byte of the model, and is ended when it takes too long.
Where it isn't started in a box of its own (`confinement`), it can still read and write what its user can; that is why a
pickle needs somebody's word (`run_code`), and going without the box another one.
"""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workflows.sources.focus import engine

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# --- What the process that loads a model is asked, and what it answers; both as JSON

Format = Literal["skops", "pickle", "cloudpickle"]


class Asked(BaseModel):
    """Load this model, and see what shuffling each column does to its score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Where the serialized model lies."""
    format: Format
    data: str
    """Where the table of cases lies: CSV (also gzipped) or Parquet."""
    target: str
    """The column with what was true."""
    scoring: str | None = None
    """One of scikit-learn's scorers; the model's own `score` when left out."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 5
    rows: Annotated[int, Field(ge=10, le=1_000_000)] = 10_000
    """At most so many cases, drawn at random with the same seed each time."""
    run_code: bool = False
    """Whether code that the model brings along may run: it always does with pickle."""
    memory_mb: int = 4096
    needs_isolation: bool = True
    """Whether to give up where the network cannot be taken away."""
    seconds: float = 300.0
    """How long it may compute."""
    is_sandboxed: bool = False
    """Whether it runs in a box of its own already, without a network."""


class Answered(BaseModel):
    """How much worse the score gets when a column is shuffled, or why that could not be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: str = ""
    features: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    score: float = 0.0
    """With nothing shuffled."""
    scored_by: str = ""
    rows: int = 0
    kind: str = ""
    """The model's class."""
    warnings: tuple[str, ...] = ()


# --- A process in a box of its own by bubblewrap
#
# what it may read, where it may write, and when it has become too many. Inside there are the
# system's and Python's libraries and what was named, all read-only; a folder of its own; an
# empty `/tmp`; and no network, no home, no sockets and no processes of the machine. It ends
# with whoever started it.

PROGRAM = "bwrap"
MISSING = (
    "This machine has no bubblewrap, or doesn't let it work (`bwrap` 0.7 or newer, Debian's package `bubblewrap`). Without it, code in a "
    "model can read and change whatever you can. Install it, or add --without-sandbox if you trust who made the model."
)

MOST_PROCESSES = 64
"""Processes and threads together; scikit-learn needs a handful."""

ROOM = 1 << 30
"""Bytes of memory that files in the box's own `/tmp` and `/dev/shm` may take, each."""
_IN_MEMORY = ("/tmp", "/dev/shm")  # noqa: S108 - the box's own

_SYSTEM = ("/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
"""Links into /usr on most systems, folders on some."""
_CONFIGURATION = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/alternatives",
    "/nix/store",
)
_BOX = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")


@cache
def is_possible() -> bool:
    """Whether bubblewrap is here and may make its namespaces (some containers forbid it)."""
    program = shutil.which(PROGRAM)
    if program is None or not sys.platform.startswith("linux"):
        return False
    try:
        tried = subprocess.run(  # noqa: S603 - the program of this name on the path, with words of ours
            [
                program,
                *_BOX,
                "--ro-bind",
                "/",
                "/",
                "--proc",
                "/proc",
                "--size",
                str(ROOM),
                "--tmpfs",
                _IN_MEMORY[0],
                "true",
            ],
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def command(words: Sequence[str], *, writes: Path, reads: Sequence[Path], info: int) -> list[str]:
    """The command line that runs `words` inside; `info` is the descriptor on which bubblewrap tells the pid."""
    box = [shutil.which(PROGRAM) or PROGRAM, *_BOX, "--info-fd", str(info)]
    box += ["--uid", "65534", "--gid", "65534", "--hostname", "model"]
    box += ["--ro-bind", "/usr", "/usr"]
    for place in _SYSTEM:
        if os.path.islink(place):
            box += ["--symlink", os.readlink(place), place]
        elif os.path.isdir(place):
            box += ["--ro-bind", place, place]
    for place in _CONFIGURATION:
        box += ["--ro-bind-try", place, place]
    box += ["--proc", "/proc", "--dev", "/dev"]
    for place in _IN_MEMORY:
        box += ["--size", str(ROOM), "--tmpfs", place]
    for path in (*_python(), *reads):
        box += ["--ro-bind", str(path), str(path)]
    box += ["--bind", str(writes), str(writes), "--remount-ro", "/"]
    return [*box, "--chdir", str(writes), "--", *words]


def _python() -> list[Path]:
    """Where Python and its packages are. Of a source checkout only this program's own package is shown."""
    ours = Path(__file__).parents[2]
    places = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix)}
    for entry in sys.path:
        folder = Path(entry) if entry else Path.cwd()
        if folder == ours.parent and (folder / "pyproject.toml").exists():
            places.add(ours)
        elif folder.name in {"site-packages", "dist-packages"} and folder.is_dir():
            places.add(folder)
    return sorted(place for place in places if not place.is_relative_to("/usr"))


def pid_of(info: str) -> int | None:
    """The pid, outside, of the first process inside, from what bubblewrap told."""
    try:
        return int(json.loads(info)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None


def population(pid: int) -> int:
    """How many processes and threads live inside, 0 when none does any more."""
    try:
        inside = os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return 0
    number = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/ns/pid") == inside:
                    number += len(os.listdir(f"/proc/{entry}/task"))
            except OSError:
                continue  # it ended while we looked
    return number


# --- A table of cases that a model answers
#
# CSV (also gzipped) or Parquet, as many rows as wanted.


class Unreadable(Exception):
    """The file is no table, as a sentence."""


def read_cases(path: Path, rows: int, seed: int) -> "DataFrame":
    """The table, with its own types; of more rows than wanted a sample, the same each time."""
    import duckdb

    source = engine.table(path, "sample_size=-1")
    spill = tempfile.mkdtemp(prefix="mlgov-cases-")
    try:
        with engine.connect([path], spill, memory_mb=512, threads=1, max_spill_gb=4) as base:
            return base.execute(
                f"SELECT * FROM {source} USING SAMPLE reservoir({rows:d} ROWS) REPEATABLE ({seed:d})"  # noqa: S608
            ).df()
    except duckdb.Error as error:
        raise Unreadable(
            f"{path.name} cannot be read as a table ({type(error).__name__}). Export it again as CSV UTF-8 or Parquet."
        ) from None
    finally:
        shutil.rmtree(spill, ignore_errors=True)


# --- The process that loads a model
#
# `python -I -m workflows.sources.permutation.child ASKED ANSWERED`. What a model brings along
# may be anybody's code. So this process has no credentials in its environment, gives up the
# network and more memory than it is granted before it reads a byte of the model, and is ended
# when it takes too long. Where it isn't started in a box of its own (`confinement`), it can
# still read and write what its user can; that is why a pickle needs somebody's word
# (`run_code`), and going without the box another one.

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of Linux."""
MOST_FILE = 1_000_000_000
_OURS = ("sklearn", "skops", "cloudpickle")
SEED = 0


class Refused(Exception):
    """Why it cannot be told, as a sentence."""


def main(asked: Path, answered: Path) -> None:
    """Answer in a file: what the model itself prints is nobody's answer."""
    wanted = Asked.model_validate_json(asked.read_text(encoding="utf-8"))
    try:
        _confine(wanted)
        answer = _importance(wanted)
    except Refused as error:
        answer = Answered(error=str(error))
    except ModuleNotFoundError as error:
        own = " `pip install 'mlgov[models]'` brings it." if error.name in _OURS else ""
        answer = Answered(
            error=f"The model needs the package {error.name}, which is not installed here.{own}"
        )
    except MemoryError:
        answer = Answered(
            error=f"It needs more than {wanted.memory_mb:,} MB. Take fewer rows, or give it more with --memory."
        )
    except Exception as error:
        answer = Answered(
            error=f"The model could not be tried ({type(error).__name__}: {str(error)[:300]})."
        )
    answered.write_text(answer.model_dump_json(), encoding="utf-8")


def _confine(wanted: Asked) -> None:
    limit = wanted.memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE, MOST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cpu = int(wanted.seconds) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    if wanted.is_sandboxed:
        # Without the box this counts everything else that the user runs on this machine.
        processes = (MOST_PROCESSES, MOST_PROCESSES)
        resource.setrlimit(resource.RLIMIT_NPROC, processes)
        return
    if not _leave_network() and wanted.needs_isolation:
        raise Refused(
            "The network cannot be taken away from a process here (that needs Linux with user namespaces). Where that does not matter, add --with-network."
        )


def _leave_network() -> bool:
    """Into a network without a way out; a root user needs no namespace of users for it."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(flags) == 0 for flags in (_NEW_USER | _NEW_NETWORK, _NEW_NETWORK))


def _importance(wanted: Asked) -> Answered:
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import check_scoring

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _load(wanted)
        scored_by = _scoring(model, wanted.scoring)
        inputs, truth = _cases(wanted, model)
        score = check_scoring(model, scoring=scored_by or None)
        base = float(score(model, inputs, truth))
        importance = permutation_importance(
            model,
            inputs,
            truth,
            scoring=scored_by or None,
            n_repeats=wanted.repeats,
            random_state=SEED,
            n_jobs=1,
        )
    texts = [
        str(one.message).splitlines()[0][:300]
        for one in caught
        if issubclass(one.category, UserWarning)
    ]
    return Answered(
        features=tuple(str(one) for one in inputs.columns),
        mean=tuple(float(one) for one in importance["importances_mean"]),
        std=tuple(float(one) for one in importance["importances_std"]),
        score=base,
        scored_by=scored_by or ("accuracy" if _classifies(model) else "R²"),
        rows=len(inputs),
        kind=type(model).__name__,
        warnings=tuple(dict.fromkeys(texts))[:5],
    )


def _load(wanted: Asked) -> object:
    if wanted.format == "skops":
        import skops.io

        strange = skops.io.get_untrusted_types(file=wanted.model)
        if strange and not wanted.run_code:
            raise Refused(
                f"The model holds types that skops does not know as harmless: {', '.join(strange[:5])}. If you trust who made it, add --run-code."
            )
        return skops.io.load(wanted.model, trusted=strange)
    if not wanted.run_code:
        raise Refused(
            "The model is a pickle, and loading one runs the code in it. If you trust who made it, add --run-code; models saved with skops need no such word."
        )
    import cloudpickle  # the model may need it to be there

    with open(wanted.model, "rb") as file:
        return cloudpickle.load(file)


def _classifies(model: object) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(model))


def _scoring(model: object, wanted: str | None) -> str:
    from sklearn.metrics import get_scorer_names

    if wanted is None:
        if not hasattr(model, "score"):
            raise Refused(
                "The model has no score of its own: name one of scikit-learn's with --scoring, like accuracy."
            )
        return ""
    if wanted not in get_scorer_names():
        raise Refused(
            f"scikit-learn has no scorer {wanted!r}. There are accuracy, roc_auc, f1, neg_mean_absolute_error, r2 and more."
        )
    return wanted


def _cases(wanted: Asked, model: object) -> "tuple[DataFrame, Series[Any]]":
    pass

    try:
        table = read_cases(Path(wanted.data), wanted.rows, SEED)
    except Unreadable as error:
        raise Refused(str(error)) from None
    if wanted.target not in table.columns:
        raise Refused(
            f"The table has no column {wanted.target!r}. It has: {', '.join(map(str, table.columns[:20]))}."
        )
    table = table.dropna(subset=[wanted.target])
    if len(table) < 2:
        raise Refused("The table has fewer than two cases with a truth.")
    known = getattr(model, "feature_names_in_", None)
    features = (
        [str(one) for one in known]
        if known is not None
        else [one for one in table.columns if one != wanted.target]
    )
    missing = [one for one in features if one not in table.columns]
    if missing:
        raise Refused(f"The table lacks columns that the model takes: {', '.join(missing[:10])}.")
    return table[features], table[wanted.target]


if __name__ == "__main__":
    os.umask(0o077)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
