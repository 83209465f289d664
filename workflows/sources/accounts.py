"""When two spellings mean one account, one provider, one source of cost: pure.

Exporters change how they write an id (case, blanks, the path in front of it), and spreadsheets lose leading zeros, add
`.0`, or round an id for good.
"""

import re
import unicodedata

from workflows.sources.text import visible

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
