"""When two spellings mean one account, one provider, one source of cost: pure.

Exporters change how they write an id (case, blanks, the path in front of it), and spreadsheets lose leading zeros, add
`.0`, or round an id for good.
"""

import ast
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from workflows.sources.text import visible

# --- Tags in the shapes that providers, databases and table libraries give them, as one flat
#     map
#
# pure.

MAX_TEXT = 64_000
_PAIRS = (
    ("key", "value"),
    ("tagkey", "tagvalue"),
    ("tag_key", "tag_value"),
    ("name", "value"),
    ("k", "v"),
)
_WORD_PAIR = re.compile(r"\s*([^:=,;{}\[\]\"']{1,200}?)\s*[:=]\s*([^,;{}\[\]\"']*?)\s*")
PREFIXES = ("user:", "resourcetags/user:")
"""What AWS puts before the keys that people chose."""


def read_tags(text: str) -> dict[str, str] | None:
    """Key → value of a cell of tags, or None when it can't be understood.

    Understood are JSON objects (with or without braces), lists of {key, value} under any of the names that providers
    use, maps that became lists of pairs, values wrapped as {"value": …}, all of it inside {"tags": …}, the same as
    Python writes it, and words like `team:vision, env=prod`.
    """
    if len(text) > MAX_TEXT:
        return None
    text = text.strip()
    if not text:
        return {}
    for candidate in (text, f"{{{text}}}"):
        try:
            return _read_flat(json.loads(candidate))
        except (ValueError, RecursionError):
            continue
    if text[0] in "{[(":
        try:
            return _read_flat(ast.literal_eval(text))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return _read_words(re.split(r"[,;|]", text))


def find_tag(tags: dict[str, str], key: str) -> str:
    """The value of a key: as written, else in another case, with blanks or the provider's prefix; empty if there is none."""
    if tags.get(key):
        return tags[key]
    folded = key.strip().casefold()
    loose = {name.strip().casefold(): value for name, value in reversed(tags.items())}
    spellings = (folded, *(f"{prefix}{folded}" for prefix in PREFIXES))
    return next((loose[name] for name in spellings if loose.get(name)), "")


def _read_flat(value: object) -> dict[str, str] | None:
    if value is None or value == []:
        return {}
    if isinstance(value, str):
        # JSON inside JSON: a column of text that was written as JSON once more
        return read_tags(value) if value.strip()[:1] in ("{", "[") else _read_words([value])
    if isinstance(value, dict):
        return _read_object(value)
    if isinstance(value, list | tuple):
        return _read_list(value)
    return None


def _read_object(value: dict[Any, Any]) -> dict[str, str] | None:
    names = {str(name).casefold(): name for name in value}
    if len(value) == 1 and "tags" in names:
        inner = value[names["tags"]]
        if isinstance(inner, dict | list):
            return _read_flat(inner)
    pair = next((pair for pair in _PAIRS if set(pair) <= names.keys()), None)
    if pair is not None:
        keys, values = value[names[pair[0]]], value[names[pair[1]]]
        if isinstance(keys, list) and isinstance(values, list):  # a map as two lists
            if len(keys) != len(values):
                return None
            return _gather_pairs((key, one, 0) for key, one in zip(keys, values, strict=True))
        if pair != ("key", "value") or len(value) > 2:
            return _gather_pairs([(keys, values, 0)])
    return _gather_pairs((key, one, 0) for key, one in value.items())


def _read_list(value: list[object] | tuple[object, ...]) -> dict[str, str] | None:
    words = [item for item in value if isinstance(item, str)]
    if len(words) == len(value):
        return _read_words(words)
    pairs: list[tuple[object, object, int]] = []
    for item in value:
        if isinstance(item, dict):
            names = {str(name).casefold(): name for name in item}
            pair = next((pair for pair in _PAIRS if set(pair) <= names.keys()), None)
            if pair is not None:
                is_inherited = any(
                    item.get(names.get(name, "")) is True for name in ("x_inherited", "inherited")
                )
                pairs.append((item[names[pair[0]]], item[names[pair[1]]], is_inherited))
                continue
            pairs += [(key, inner, 0) for key, inner in item.items()]
        elif isinstance(item, list | tuple) and len(item) == 2:
            pairs.append((item[0], item[1], 0))
        else:
            return None
    # what a resource says of itself goes before what it has from its folder
    return _gather_pairs(sorted(pairs, key=lambda pair: pair[2]))


def _gather_pairs(pairs: Iterable[tuple[object, object, int]]) -> dict[str, str] | None:
    tags: dict[str, str] = {}
    for key, value, _ in pairs:
        words = _read_value(value)
        if not isinstance(key, str) or words is None:
            return None
        tags.setdefault(key, words)
    return tags


def _read_value(value: object) -> str | None:
    if isinstance(value, dict):
        names = {str(name).casefold(): name for name in value}
        if "value" not in names:
            return json.dumps(value, ensure_ascii=False)
        value = value[names["value"]]
    if isinstance(value, list | tuple):
        if len(value) != 1:
            return json.dumps(value, ensure_ascii=False, default=str) if value else ""
        [value] = value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _read_words(parts: list[str]) -> dict[str, str] | None:
    """`team:vision` and `team=vision`. Words without a value are no tags that could say whose a cost is."""
    tags = dict(reversed(list(_list_pairs(parts))))
    is_something = any(part.strip() for part in parts)
    return None if is_something and not tags else tags


def _list_pairs(parts: list[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        if match := _WORD_PAIR.fullmatch(part):
            yield match[1], match[2]


# --- When two spellings mean one account, one provider, one source of cost
#
# pure. Exporters change how they write an id (case, blanks, the path in front of it), and
# spreadsheets lose leading zeros, add `.0`, or round an id for good.

ROUNDED = r"[+-]?\d+([.,]\d+)?[eE]\+\d+"
"""A number as a spreadsheet shows a long id (`4.44456E+11`): several ids look the same and none can be told. For RE2, too."""
UNKNOWN = "unknown"
"""The provider of rows that name none."""

_ROUNDED = re.compile(rf"\s*{ROUNDED}\s*")
_PATH = re.compile(
    r"/?(?:(?:subscriptions|projects|billingaccounts|accounts)|providers/microsoft\.billing/billingaccounts)/([^/]+)/?"
)
_GROUPED = re.compile(r"\d{4}-\d{4}-\d{4}")
_COMPANY = re.compile(r"(?:[\s,.]+(?:inc|llc|ltd|limited|corp|corporation|gmbh|sarl))+$")
_PROVIDERS = {
    "aws": "aws",
    "amazon": "aws",
    "amazon web services": "aws",
    "azure": "microsoft",
    "microsoft": "microsoft",
    "microsoft azure": "microsoft",
    "gcp": "google",
    "google": "google",
    "google cloud": "google",
    "google cloud platform": "google",
    "oci": "oracle",
    "oracle": "oracle",
    "oracle cloud": "oracle",
    "oracle cloud infrastructure": "oracle",
    "alibaba": "alibaba",
    "alibaba cloud": "alibaba",
    "aliyun": "alibaba",
}


def is_rounded(text: str) -> bool:
    """Whether an id is a number in scientific notation, which a spreadsheet made of it."""
    return _ROUNDED.fullmatch(text) is not None


def same_account(text: str) -> str:
    """What all spellings of an account have in common: no case, blanks, path, `.0`, dashes of AWS, leading zeros."""
    folded = _folded(text)
    if path := _PATH.fullmatch(folded):
        folded = path[1]
    if _GROUPED.fullmatch(folded):
        folded = folded.replace("-", "")
    digits = folded.removesuffix(".0")
    if digits.isascii() and digits.isdigit():
        return digits.lstrip("0") or "0"
    return folded


def same_provider(text: str) -> str:
    """What all spellings of a provider have in common: `AWS` and `Amazon Web Services, Inc.` are one."""
    folded = _COMPANY.sub("", _folded(text).rstrip(" ."))
    if folded.startswith("amazon web services"):
        return "aws"  # its companies in India, Europe and elsewhere, too
    return _PROVIDERS.get(folded, folded)


def same_source(source: str) -> tuple[str, str]:
    """(provider, account) of a source as all its spellings have them in common; a name of one's own has no account."""
    provider, slash, account = source.partition("/")
    if not slash:
        return _folded(source), ""
    return same_provider(provider), same_account(account)


def are_one(first: str, second: str) -> bool:
    """Whether two sources are one in two spellings, or the same account with and without its provider's name."""
    (provider, account), (other, another) = same_source(first), same_source(second)
    if account != another:
        return False
    return provider == other or (bool(account) and UNKNOWN in (provider, other))


def _folded(text: str) -> str:
    return " ".join(visible(unicodedata.normalize("NFKC", text)).casefold().split())
