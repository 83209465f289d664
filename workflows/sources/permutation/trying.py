"""Trying a model in a process of its own, with what it needs and nothing else."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from workflows.errors import InvalidInput
from workflows.sources.permutation.records import Answered, Asked

FLAVOR = "sklearn"
MOST_DESCRIBED = 1_000_000
"""Bytes of an MLmodel file that are read; real ones have a few thousand."""
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")
"""What the process gets of ours: no credential is among it."""


def described(folder: Path) -> tuple[Path, str, str]:
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


def tried(folder: Path, table: Path, *, seconds: float, **asked: Any) -> Answered:
    """Load the model that lies in the folder and shuffle the table's columns. Raises InvalidInput with what to do."""
    model, format_, _ = described(folder)
    if not table.is_file() or not table.stat().st_size:
        raise InvalidInput(f"{table.name} is empty, or not there.", field="file")
    try:
        wanted = Asked(
            model=str(model.resolve()),
            format=format_,
            data=str(table.resolve()),
            **asked,
        )
    except ValidationError:
        raise InvalidInput(
            f"The model is serialized as {format_[:40]!r}, which mlgov cannot read."
        ) from None
    place = Path(tempfile.mkdtemp(prefix="mlgov-model-"))
    try:
        return _run(place, wanted, seconds)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _run(place: Path, wanted: Asked, seconds: float) -> Answered:
    asked, answered = place / "asked.json", place / "answered.json"
    asked.write_text(wanted.model_dump_json(), encoding="utf-8")
    home = {"HOME": str(place), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {one: os.environ[one] for one in _ENVIRONMENT if one in os.environ}
    said = place / "said.txt"
    with said.open("wb") as out:
        # Its module is ours, and its arguments are paths of ours.
        child = subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-I",
                "-m",
                "workflows.sources.permutation.child",
                str(asked),
                str(answered),
            ],
            cwd=place,
            env=environment | home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        raise InvalidInput(
            f"It took longer than {seconds:g} seconds. Take fewer rows or repeats, or give it more with --seconds."
        ) from None
    finally:
        _end(child)
    try:
        found = Answered.model_validate_json(answered.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = f": {lines[-1][:200]}" if lines else ""
        raise InvalidInput(
            f"The process that loaded the model ended without an answer (code {code}{why}). It may need more than {wanted.memory_mb:,} MB."
        ) from None
    if found.error:
        raise InvalidInput(found.error)
    return found


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it, and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def as_file(found: Answered, table: Path) -> dict[str, Any]:
    """The result in the shape that evidence is read from, with what it does not tell."""
    with table.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return {
        "method": "permutation importance",
        "feature_names": list(found.features),
        "importances_mean": list(found.mean),
        "importances_std": list(found.std),
        "limits": f"Computed by mlgov on {found.rows:,} cases of {table.name[:80]} (sha256:{digest[:12]}…): how far the {found.scored_by} of {found.score:.3f} falls when one input is shuffled. Inputs that tell the same share their importance.",
    }
