"""The process that loads a model: `python -I -m workflows.sources.permutation.child ASKED ANSWERED`.

What a model brings along may be anybody's code. So this process has no credentials in its environment, gives up the
network and more memory than it is granted before it reads a byte of the model, and is ended when it takes too long.
Where it isn't started in a box of its own (`confinement`), it can still read and write what its user can; that is why a
pickle needs somebody's word (`run_code`), and going without the box another one.
"""

import ctypes
import os
import resource
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflows.sources.permutation.confinement import MOST_PROCESSES
from workflows.sources.permutation.records import Answered, Asked

if TYPE_CHECKING:
    from pandas import DataFrame

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


def _load(wanted: Asked) -> Any:
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


def _classifies(model: Any) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(model))


def _scoring(model: Any, wanted: str | None) -> str:
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


def _cases(wanted: Asked, model: Any) -> "tuple[DataFrame, Any]":
    from workflows.sources.permutation import cases

    try:
        table = cases.read_cases(Path(wanted.data), wanted.rows, SEED)
    except cases.Unreadable as error:
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
