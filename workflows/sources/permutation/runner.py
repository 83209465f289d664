"""Trying a model in a process of its own, with what it needs and nothing else."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from workflows.errors import InvalidInput
from workflows.sources.permutation import child as permutation_child
from workflows.sources.permutation.child import Answered, Asked

FLAVOR = "sklearn"
MOST_DESCRIBED = 1_000_000
"""Bytes of an MLmodel file that are read; real ones have a few thousand."""
LOOK_EVERY = 0.2
"""Seconds between two looks at how many processes there are."""
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")
"""What the process gets of ours: no credential is among it."""


def describe_model(folder: Path) -> tuple[Path, str, str]:
    """Where a downloaded model's file is, how it is serialized, and with which scikit-learn. Raises InvalidInput."""
    try:
        described_by = (folder / "MLmodel").read_bytes()[: MOST_DESCRIBED + 1]
        if len(described_by) > MOST_DESCRIBED:
            raise ValueError("too long to be a description")
        flavor = yaml.safe_load(described_by.decode("utf-8"))["flavors"][FLAVOR]
        path = folder / str(flavor["pickled_model"])
        format_ = str(flavor.get("serialization_format", "pickle"))
    except (OSError, ValueError, AttributeError, RecursionError, yaml.YAMLError):
        raise InvalidInput(
            "The version has no MLmodel file that can be read, so it is no MLflow model."
        ) from None
    except (KeyError, TypeError):
        raise InvalidInput(
            "The version is no scikit-learn model (MLflow's flavor `sklearn`). Hand in a result of your own instead: `mlgov explain FILE`."
        ) from None
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise InvalidInput("The MLmodel file names a model file that is not there.")
    return path, format_, str(flavor.get("sklearn_version", ""))


def run_importance(
    folder: Path, table: Path, *, seconds: float, sandbox: bool, **asked: Any
) -> Answered:
    """Load the model that lies in the folder and shuffle the table's columns. Raises InvalidInput with what to do.

    With `sandbox` the process that loads it runs under bubblewrap, and nothing is loaded where there is none.
    """
    if sandbox and not permutation_child.is_possible():
        raise InvalidInput(permutation_child.MISSING)
    model, format_, _ = describe_model(folder)
    if not table.is_file() or not table.stat().st_size:
        raise InvalidInput(f"{table.name} is empty, or not there.", field="file")
    try:
        wanted = Asked(
            model=str(model.resolve()),
            format=format_,
            data=str(table.resolve()),
            seconds=seconds,
            is_sandboxed=sandbox,
            **asked,
        )
    except ValidationError:
        raise InvalidInput(
            f"The model is serialized as {format_[:40]!r}, which mlgov cannot read."
        ) from None
    place = Path(tempfile.mkdtemp(prefix="mlgov-model-")).resolve()
    try:
        return _run(place, wanted, seconds, [folder.resolve(), table.resolve()])
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _run(place: Path, wanted: Asked, seconds: float, reads: Sequence[Path]) -> Answered:
    asked, answered = place / "asked.json", place / "answered.json"
    asked.write_text(wanted.model_dump_json(), encoding="utf-8")
    home = {"HOME": str(place), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {one: os.environ[one] for one in _ENVIRONMENT if one in os.environ}
    output = place / "said.txt"
    module = "workflows.sources.permutation.child"
    words = [sys.executable, "-I", "-m", module, str(asked), str(answered)]
    info, telling = os.pipe()
    if wanted.is_sandboxed:
        words = permutation_child.command(words, writes=place, reads=reads, info=telling)
    try:
        with output.open("wb") as out:
            # Its module is ours, and its arguments are paths of ours.
            child = subprocess.Popen(  # noqa: S603
                words,
                cwd=place,
                env=environment | home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                pass_fds=[telling] if wanted.is_sandboxed else [],
            )
    finally:
        os.close(telling)
    try:
        code = _await_end(child, info, seconds)
    finally:
        os.close(info)
        _end(child)
    try:
        answer = Answered.model_validate_json(answered.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = f": {lines[-1][:200]}" if lines else ""
        raise InvalidInput(
            f"The process that loaded the model ended without an answer (code {code}{why}). It may need more than {wanted.memory_mb:,} MB."
        ) from None
    if answer.error:
        raise InvalidInput(answer.error)
    return answer


def _await_end(child: subprocess.Popen[bytes], info: int, seconds: float) -> int:
    """Its exit code, once it has ended by itself. Raises InvalidInput when it takes too long or becomes too many."""
    with os.fdopen(os.dup(info), encoding="utf-8") as line:
        inside = permutation_child.pid_of(line.read())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(min(LOOK_EVERY, max(0.0, end - time.monotonic())))
        # A limit of the system counts for each user alone, and for root not at all: so they are counted here too.
        if inside and permutation_child.population(inside) > permutation_child.MOST_PROCESSES:
            raise InvalidInput(
                f"The model started more than {permutation_child.MOST_PROCESSES} processes, and was ended."
            )
    raise InvalidInput(
        f"It took longer than {seconds:g} seconds. Take fewer rows or repeats, or give it more with --seconds."
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it, and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def build_file(answer: Answered, table: Path) -> dict[str, Any]:
    """The result in the shape that evidence is read from, with what it does not tell."""
    with table.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return {
        "method": "permutation importance",
        "feature_names": list(answer.features),
        "importances_mean": list(answer.mean),
        "importances_std": list(answer.std),
        "limits": f"Computed by mlgov on {answer.rows:,} cases of {table.name[:80]} (sha256:{digest[:12]}…): how far the {answer.scored_by} of {answer.score:.3f} falls when one input is shuffled. Inputs that tell the same share their importance.",
    }
