"""FOCUS columns: which are needed, which are known, and what another format looks like.

Names are compared without case, blanks and underscores, since exporters and databases change those.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from workflows.sources.errors import FileTooLarge, NotFocus

# --- How text from a file is shown in a sentence
#
# short, on one line, without control characters.

MAX_SHOWN = 80


def shown(text: str) -> str:
    """`text` fit for a sentence: control characters as blanks, cut at 80 characters."""
    flat = "".join(c if c.isprintable() else " " for c in text[: MAX_SHOWN + 1])
    return flat if len(flat) <= MAX_SHOWN else flat[:MAX_SHOWN] + "…"


# --- How the tags of an allocation key are written, so that equal tags are equal text


def tags_text(keys: Sequence[str], values: Sequence[str]) -> str:
    """Canonical JSON: keys sorted, no blanks, characters as they are; tags that a row lacks are left out."""
    tags = {key: value for key, value in zip(keys, values, strict=True) if value}
    return json.dumps(tags, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# --- FOCUS columns
#
# which are needed, which are known, and what another format looks like. Names are compared
# without case, blanks and underscores, since exporters and databases change those.

REQUIRED = (
    "BilledCost",
    "EffectiveCost",
    "BillingCurrency",
    "BillingAccountId",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "ChargeCategory",
)
"""Mandatory in every FOCUS version, and no cost can be placed without them."""

OPTIONAL = ("ServiceName", "SubAccountId", "SubAccountName", "Tags")

PROVIDERS = (
    "ProviderName",
    "ServiceProviderName",
    "HostProviderName",
    "InvoiceIssuerName",
    "PublisherName",
)
"""Who to name a source after, first that is filled. 1.4 has no ProviderName and PublisherName any more."""

_BY_VERSION = {
    "1.0": """AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd
        BillingPeriodStart ChargeCategory ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd
        ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName
        CommitmentDiscountStatus CommitmentDiscountType ConsumedQuantity ConsumedUnit ContractedCost
        ContractedUnitPrice EffectiveCost InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity
        PricingUnit ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType
        ServiceCategory ServiceName SkuId SkuPriceId SubAccountId SubAccountName Tags""",
    "1.1": """CapacityReservationId CapacityReservationStatus CommitmentDiscountQuantity CommitmentDiscountUnit
        ServiceSubcategory SkuMeter SkuPriceDetails""",
    "1.2": """BillingAccountType SubAccountType InvoiceId PricingCurrency PricingCurrencyContractedUnitPrice
        PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice""",
    "1.3": """AllocatedMethodId AllocatedMethodDetails AllocatedResourceId AllocatedResourceName AllocatedTags
        ContractApplied ServiceProviderName HostProviderName""",
    "1.4": "PrincipalId",
}

MAX_COLUMNS = 2_000
"""FOCUS has about 70 columns; providers add tens of their own."""


def folded(name: str) -> str:
    """A column name as it is compared."""
    return name.strip().lower().replace("_", "").replace(" ", "")


_VERSION_OF = {
    folded(name): version for version, names in _BY_VERSION.items() for name in names.split()
}
_WANTED = {folded(name): name for name in (*REQUIRED, *OPTIONAL, *PROVIDERS)}
_OLDER = {
    "provider": "ProviderName",
    "publisher": "PublisherName",
    "invoiceissuer": "InvoiceIssuerName",
}
"""Headings from before FOCUS 1.0, which Oracle still wrote in 2024."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file keeps what is wanted: FOCUS name to position in its heading."""

    positions: dict[str, int]
    unknown: tuple[str, ...]
    """Names that no FOCUS version has and that do not start with x_."""
    missing: tuple[str, ...]
    """Optional columns that the file lacks."""
    version: str


def known(heading: Sequence[str]) -> int:
    """How many names of a heading are FOCUS columns."""
    return sum(folded(name) in _VERSION_OF for name in heading)


def locate(heading: Sequence[str], file: str, *, source_given: bool) -> Columns:
    """Finds the wanted columns. Raises NotFocus, naming what is missing or which format it is instead."""
    if len(heading) > MAX_COLUMNS:
        raise FileTooLarge(
            f"{file} has {len(heading):,} columns; FOCUS has fewer than 100. Check that it is a FOCUS export."
        )
    positions: dict[str, int] = {}
    names = {folded(name) for name in heading}
    older = {old: new for old, new in _OLDER.items() if folded(new) not in names}
    for position, name in enumerate(heading):
        wanted = _WANTED.get(folded(name), older.get(folded(name)))
        if wanted is None:
            continue
        if wanted in positions:
            raise NotFocus(
                f"{file} has the column {wanted} twice. Export it again with each column once."
            )
        positions[wanted] = position
    required = [n for n in REQUIRED if not (source_given and n == "BillingAccountId")]
    missing = [name for name in required if name not in positions]
    if missing:
        raise NotFocus(_explain(heading, file, missing))
    return Columns(
        positions=positions,
        unknown=tuple(
            shown(name)
            for name in heading
            if folded(name) not in _VERSION_OF
            and folded(name) not in older
            and not name.strip().lower().startswith("x_")
        ),
        missing=tuple(name for name in OPTIONAL if name not in positions)
        + (() if any(name in positions for name in PROVIDERS) else ("ProviderName",)),
        version=_version(names),
    )


def _version(names: set[str]) -> str:
    """The newest version whose columns appear; 1.4 is also told by what it removed."""
    if "serviceprovidername" in names and not names & {"providername", "publishername"}:
        return "1.4"
    return max((_VERSION_OF[name] for name in names if name in _VERSION_OF), default="1.0")


def _explain(heading: Sequence[str], file: str, missing: list[str]) -> str:
    names = " ".join(folded(name) for name in heading)
    listed = ", ".join(missing)
    if "lineitem/unblendedcost" in names or "lineitemunblendedcost" in names:
        return (
            f"{file} is a native AWS Cost and Usage Report, not FOCUS. "
            "In AWS Billing, under Data Exports, create an export of the table “FOCUS 1.2 with AWS columns” and give that."
        )
    if "cost/mycost" in names or "lineitem/referenceno" in names:
        return f"{file} is a native Oracle Cloud cost report, not FOCUS. Give the file from the FOCUS Reports folder."
    if any(word in names for word in ("pretaxcost", "costinbillingcurrency", "metercategory")):
        return (
            f"{file} is a native Azure cost export (actual or amortised cost), not FOCUS. "
            "In Cost Management, under Exports, create one of the type “Cost and usage details (FOCUS)” and give that."
        )
    if (
        "usagestarttime" in names
        and ("service.id" in names or "service" in names)
        and "billingaccountid" in names
    ):
        return f"{file} is a native Google Cloud billing export, not FOCUS. Query Google's FOCUS view and export its result."
    if len(missing) < len(REQUIRED) - 1 and known(heading) >= 4:
        return (
            f"{file} looks like FOCUS but lacks {listed}, which every version requires: "
            "export again with all mandatory columns."
        )
    return (
        f"{file} is not a FOCUS file: its first line has none or few of the FOCUS column names (missing: {listed}). "
        "Export costs in the FOCUS format, with the column names in the first line."
    )
