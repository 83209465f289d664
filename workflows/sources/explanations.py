"""Files with what drives a model's answers, as SHAP, scikit-learn's permutation importance or a table write them.

Four shapes are read, each documented in docs/evidence.md: drivers as they are kept, `permutation_importance` of
scikit-learn, a SHAP explanation, and a CSV of either features with their importance, or SHAP values row by row.
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workflows.errors import InvalidInput

MOST_BYTES = 8_000_000
MOST_CASES = 3
MOST_DRIVERS = 200
_BASE = frozenset(
    [
        "base_value",
        "base_values",
        "basevalue",
        "basevalues",
        "expected_value",
        "bias",
        "bias_term",
        "intercept",
        "shap_base_value",
        "baseline",
    ]
)
"""Headings of the value that all answers start from; CatBoost and XGBoost give it as the last column."""
_ID = r"(.*_)?(id|ids|index|idx|key|row|rownum|row_number|uuid|nr|no|number)"
_NAMES = ("feature_names", "features", "columns")


def read_explanations(data: bytes, *, name: str = "The file") -> dict[str, Any]:
    """The file in the one shape that evidence takes: method, drivers, examples. Raises InvalidInput with what to do.

    Of very many features the strongest are kept, and the rest as one.
    """
    if len(data) > MOST_BYTES:
        raise _bad(
            name,
            f"is larger than {MOST_BYTES:,} bytes; give the importance of features, not every case",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad(name, "is not UTF-8 text") from None
    if text.lstrip().startswith(("{", "[")):
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            raise _bad(name, "is not whole JSON") from None
        return _keep_strongest(_read_json(parsed, name), name)
    return _keep_strongest(_read_table(text, name), name)


def _keep_strongest(explanation: dict[str, Any], name: str) -> dict[str, Any]:
    drivers = explanation["drivers"]
    if isinstance(drivers, list) and len(drivers) > MOST_DRIVERS:
        if not all(isinstance(driver, dict) and "importance" in driver for driver in drivers):
            raise _bad(name, "holds drivers without an importance")
        ordered = sorted(drivers, key=lambda driver: -_read_number(driver["importance"], name))
        rest = ordered[MOST_DRIVERS - 1 :]
        whole = math.fsum(max(_read_number(driver["importance"], name), 0) for driver in rest)
        explanation["drivers"] = [
            *ordered[: MOST_DRIVERS - 1],
            _build_driver(f"{len(rest)} other features", whole, None),
        ]
        for case in explanation.get("examples", ()):
            if isinstance(case, dict) and isinstance(case.get("contributions"), list):
                case["contributions"] = sorted(
                    case["contributions"],
                    key=lambda driver: -abs(_read_number(driver["contribution"], name)),
                )[:MOST_DRIVERS]
    return explanation


def _bad(name: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{name} {why}. docs/evidence.md shows the shapes that are read.", field="file"
    )


def _read_json(parsed: object, name: str) -> dict[str, Any]:
    if isinstance(parsed, list):
        parsed = {"drivers": parsed}
    if not isinstance(parsed, dict):
        raise _bad(name, "is no JSON object")
    if "drivers" in parsed:
        return {"method": "feature importance", **parsed}
    names = next((parsed[one] for one in _NAMES if isinstance(parsed.get(one), list)), None)
    if names is None:
        raise _bad(name, "names no features (`feature_names`)")
    features = [str(one) for one in names]
    if "importances_mean" in parsed:
        mean = _read_numbers(parsed["importances_mean"], len(features), name)
        spread = parsed.get("importances_std")
        spreads = (
            _read_numbers(spread, len(features), name)
            if spread is not None
            else [None] * len(features)
        )
        drivers = [_build_driver(*one) for one in zip(features, mean, spreads, strict=True)]
        limits = {"limits": str(parsed["limits"])} if parsed.get("limits") else {}
        return {"method": "permutation importance", "drivers": drivers, **limits}
    if "values" in parsed:
        return _read_shap(parsed, features, name)
    raise _bad(name, "holds neither `drivers`, nor `importances_mean`, nor SHAP `values`")


def _read_shap(parsed: Mapping[str, Any], features: Sequence[str], name: str) -> dict[str, Any]:
    rows = parsed["values"]
    if not isinstance(rows, list) or not rows:
        raise _bad(name, "holds no SHAP values")
    values = [_read_numbers(row, len(features), name) for row in rows]
    base = _read_bases(parsed.get("base_values"), len(values), name)
    data = parsed.get("data")
    named = parsed.get("names")
    examples = []
    for place, row in enumerate(values[:MOST_CASES]):
        usual = base[place] if base else None
        case: dict[str, Any] = {
            "name": str(named[place])
            if isinstance(named, list) and place < len(named)
            else f"case {place + 1}",
            "contributions": [
                {
                    "feature": feature,
                    "contribution": _text(value),
                    **_read_value(data, place, index),
                }
                for index, (feature, value) in enumerate(zip(features, row, strict=True))
            ],
        }
        if usual is not None:
            case |= {"usual": _text(usual), "answer": _text(usual + sum(row))}
        examples.append(case)
    return {"method": "SHAP", "drivers": _mean_drivers(features, values), "examples": examples}


def _read_bases(given_bases: object, cases: int, name: str) -> list[float]:
    """The base value of each case: one for all, or one a case. Empty where there is none."""
    if given_bases is None:
        return []
    given = given_bases if isinstance(given_bases, list) else [given_bases]
    flat = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in given]
    if any(isinstance(one, list) for one in flat):
        raise _bad(
            name,
            "holds several outputs of the model (`base_values` with several numbers a case); give the SHAP values of one output",
        )
    numbers = [_read_number(one, name) for one in flat]
    if len(numbers) == 1:
        return numbers * cases
    if len(numbers) != cases:
        raise _bad(
            name,
            f"holds {len(numbers)} base values for {cases} cases; give one for all or one for each case",
        )
    return numbers


def _read_value(data: object, place: int, index: int) -> dict[str, str]:
    row = data[place] if isinstance(data, list) and place < len(data) else None
    if not isinstance(row, list) or index >= len(row):
        return {}
    return {"value": str(row[index])[:60]}


def _mean_drivers(
    features: Sequence[str], values: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
    """The mean of the absolute SHAP values of each feature, which is how SHAP's own bar plot ranks."""
    return [
        _build_driver(feature, math.fsum(abs(row[index]) for row in values) / len(values), None)
        for index, feature in enumerate(features)
    ]


def _read_table(text: str, name: str) -> dict[str, Any]:
    rows = [row for row in csv.reader(io.StringIO(text)) if any(one.strip() for one in row)]
    if len(rows) < 2:
        raise _bad(name, "is empty")
    heading = [one.strip() for one in rows[0]]
    low = [one.casefold() for one in heading]
    if "feature" in low and "importance" in low:
        of, at = low.index("feature"), low.index("importance")
        wide = next((low.index(one) for one in ("std", "spread") if one in low), None)
        try:
            drivers = [
                _build_driver(
                    row[of],
                    _read_number(row[at], name),
                    _read_number(row[wide], name)
                    if wide is not None and row[wide].strip()
                    else None,
                )
                for row in rows[1:]
            ]
        except IndexError:
            raise _bad(name, "has rows with fewer columns than its heading") from None
        return {"method": "feature importance", "drivers": drivers}
    values = [_read_numbers(row, len(heading), name) for row in rows[1:]]
    return _drivers_of_table(heading, values, name)


def _drivers_of_table(
    heading: Sequence[str], values: Sequence[Sequence[float]], name: str
) -> dict[str, Any]:
    """Drivers of a table of SHAP values, without columns that hold a row's number, id or base value instead."""
    columns = list(zip(*values, strict=True))
    left_out = [
        _plain_heading(title)
        for title, column in zip(heading, columns, strict=True)
        if _is_no_feature(title, column)
    ]
    kept = [
        place
        for place, (title, column) in enumerate(zip(heading, columns, strict=True))
        if not _is_no_feature(title, column)
    ]
    if not kept:
        raise _bad(name, "holds no column of SHAP values")
    explanation: dict[str, Any] = {
        "method": "SHAP",
        "drivers": _mean_drivers(
            [_plain_heading(heading[place]) for place in kept],
            [[row[place] for place in kept] for row in values],
        ),
    }
    if left_out:
        listed = ", ".join(f"“{one[:60]}”" for one in left_out[:5])
        explanation["limits"] = f"Left out, as no feature: {listed}."[:500]
    return explanation


def _plain_heading(title: str) -> str:
    return title or "(no heading)"


def _is_no_feature(title: str, column: Sequence[float]) -> bool:
    """Whether a column counts or names the rows, or holds the base value: by its heading and by what is in it."""
    word = re.sub(r"[^a-z0-9]+", "_", title.casefold()).strip("_")
    is_whole = all(value == int(value) for value in column)
    is_distinct = len(set(column)) == len(column)
    if re.fullmatch(r"unnamed_\d+|level_0|", word):
        return is_whole or not word
    if word in _BASE:
        return True
    if is_whole and is_distinct and re.fullmatch(_ID, word):
        return True
    # the rows counted from 0 or 1, whatever the heading says
    steps = [float(place) for place in range(len(column))]
    counted = list(column) in (steps, [step + 1 for step in steps])
    return len(column) > 2 and counted


def _read_numbers(values: object, wanted: int, name: str) -> list[float]:
    if not isinstance(values, list) or len(values) != wanted:
        raise _bad(name, f"does not give one number for each of its {wanted} features")
    return [_read_number(one, name) for one in values]


def _read_number(number: object, name: str) -> float:
    try:
        value = float(number if isinstance(number, str | int | float) else "")
    except (TypeError, ValueError):
        raise _bad(name, f"holds {str(number)[:40]!r} where a number belongs") from None
    if not math.isfinite(value):
        raise _bad(name, "holds a number that is not finite")
    return value


def _build_driver(feature: str, importance: float, spread: float | None) -> dict[str, Any]:
    driver: dict[str, Any] = {"feature": feature, "importance": _text(importance)}
    return driver if spread is None else {**driver, "spread": _text(spread)}


def _text(value: float) -> str:
    """A figure to twelve places, as exact text."""
    return f"{value:.12f}"


# --- Groups of people as `mlgov fairness --json` writes them
#
# counts, never rows.

MOST_GROUP_BYTES = 2_000_000


def read_groups(data: bytes, *, name: str = "The file") -> dict[str, Any]:
    """The counts in such a file. Raises InvalidInput for anything else."""
    try:
        parsed = json.loads(data) if len(data) <= MOST_GROUP_BYTES else None
    except (ValueError, RecursionError):
        parsed = None
    counts = parsed.get("counts", parsed) if isinstance(parsed, dict) else None
    if not isinstance(counts, dict) or "counted" not in counts:
        raise InvalidInput(
            f"{name} does not hold groups as `mlgov fairness --json` writes them.", field="file"
        )
    return counts
