"""Writes a believable FOCUS 1.0 file of any size, with totals that are known exactly.

The same seed gives the same bytes. Rows are written as they are made, so that memory does not grow with the file.
One million rows are about 319 MB of CSV and fall into about 289,000 groups (account x day x service and the rest of the key).

    python benchmarks/focus_file.py 1000000 /tmp/focus.csv
"""

import argparse
import gzip
import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO

COLUMNS = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
)
SCALE = 11  # digits after the point in real AWS files
# service, category, unit, and the most that a row costs, in units of 10^-11
SERVICES = (
    ("Amazon Elastic Compute Cloud", "Compute", "Hours", 900_000_000_000),
    ("Amazon SageMaker AI", "AI and Machine Learning", "Hours", 2_400_000_000_000),
    ("Amazon Bedrock", "AI and Machine Learning", "Tokens", 300_000_000_000),
    ("Amazon Simple Storage Service", "Storage", "GB-Mo", 40_000_000_000),
    ("Amazon Elastic Kubernetes Service", "Compute", "Hours", 600_000_000_000),
    ("Amazon Virtual Private Cloud", "Networking", "GB", 25_000_000_000),
    ("AmazonCloudWatch", "Management and Governance", "Metrics", 9_000_000_000),
    ("Amazon Relational Database Service", "Databases", "Hours", 500_000_000_000),
    ("Amazon Athena", "Analytics", "Terabytes", 70_000_000_000),
    ("AWS Lambda", "Compute", "Requests", 2_000_000_000),
    ("Amazon Elastic File System", "Storage", "GB-Mo", 60_000_000_000),
    ("AWS Key Management Service", "Security", "Requests", 3_000_000_000),
)
REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")
TEAMS = ("vision", "ranking", "fraud", "search", "speech")


@dataclass(slots=True)
class Totals:
    """What a file holds in all: rows, and exact sums in its one currency by charge category."""

    rows: int = 0
    currency: str = "USD"
    billed: Decimal = Decimal(0)
    effective: Decimal = Decimal(0)
    billed_by_category: dict[str, Decimal] = field(default_factory=dict)
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows spread: `accounts` x `days` x 12 services is about the number of groups that many rows fill."""

    accounts: int = 250
    days: int = 100
    start: datetime = datetime(2025, 6, 1, tzinfo=UTC)
    currency: str = "USD"
    billing_account: str = "1234567890123"


def _text(amount: int) -> str:
    """Units of 10^-11 as plain decimal text."""
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 10**SCALE)
    return f"{sign}{whole}.{part:0{SCALE}d}"


def _month(day: datetime) -> tuple[str, str]:
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return first.strftime("%Y-%m-%d %H:%M:%S"), following.strftime("%Y-%m-%d %H:%M:%S")


def rows(
    count: int, *, seed: int = 1, shape: Shape | None = None, totals: Totals | None = None
) -> Iterator[str]:
    """`count` CSV lines without the heading; `totals` is filled while they are drawn, and is exact when they end."""
    shape = shape or Shape()
    totals = totals if totals is not None else Totals()
    totals.currency = shape.currency
    rand = random.Random(seed)
    accounts = [f"{rand.randrange(10**10, 10**11)}" for _ in range(shape.accounts)]
    names = [f"ml-{TEAMS[i % len(TEAMS)]}-{i:03d}" for i in range(shape.accounts)]
    tags = [
        "NULL" if i % 7 == 0 else f'"{{""project"": ""{names[i]}""}}"'
        for i in range(shape.accounts)
    ]
    days = []
    for offset in range(shape.days):
        day = shape.start + timedelta(days=offset)
        hours = [(day + timedelta(hours=h)).strftime("%Y-%m-%d %H:%M:%S") for h in range(25)]
        days.append((*_month(day), hours))
    billed_sum: dict[str, int] = {}
    effective_sum = 0
    for number in range(count):
        account = rand.randrange(shape.accounts)
        period_start, period_end, hours = days[rand.randrange(shape.days)]
        hour = rand.randrange(24)
        service, group, unit, price = SERVICES[rand.randrange(12)]
        region = REGIONS[account % 3]
        billed = rand.randrange(1, price)
        effective = billed - billed // 10
        category, frequency = "Usage", "Usage-Based"
        if number % 5000 == 4999:
            category, frequency, billed, effective = (
                "Credit",
                "One-Time",
                -40 * billed,
                -40 * billed,
            )
        elif number % 1000 == 999:  # a usage line that takes back what an earlier one charged
            billed, effective = -billed, -effective
        billed_sum[category] = billed_sum.get(category, 0) + billed
        effective_sum += effective
        amount = _text(billed)
        yield (
            f",{amount},{shape.billing_account},Acme,{shape.currency},{period_end},{period_start},{category},,,"
            f"{frequency},{hours[hour + 1]},{hours[hour]},,,,,,{billed % 997},{unit},{amount},,{_text(effective)},"
            f"AWS,{price / 10**SCALE},,Standard,,,AWS,,{region},,"
            f"i-{account:03d}{number % 40:02d},,,{group},{service},,,{accounts[account]},{names[account]},{tags[account]}\n"
        )
    unit_value = Decimal(1).scaleb(-SCALE)
    totals.rows += count
    totals.billed_by_category = {name: amount * unit_value for name, amount in billed_sum.items()}
    totals.billed = sum(totals.billed_by_category.values(), Decimal(0))
    totals.effective = effective_sum * unit_value


def write(path: Path, count: int, *, seed: int = 1, shape: Shape | None = None) -> Totals:
    """Writes `count` rows to `path`, compressed when the name ends in .gz, and returns the exact totals."""
    totals = Totals()
    with ExitStack() as stack:
        # mtime=0 and no name: the same seed gives the same bytes when compressed too
        sink: IO[bytes] | gzip.GzipFile = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            sink = stack.enter_context(
                gzip.GzipFile(filename="", mode="wb", fileobj=sink, compresslevel=6, mtime=0)
            )
        pending = [",".join(COLUMNS) + "\n"]
        for line in rows(count, seed=seed, shape=shape, totals=totals):
            pending.append(line)
            if len(pending) >= 10_000:
                sink.write("".join(pending).encode())
                pending.clear()
        sink.write("".join(pending).encode())
    totals.bytes = path.stat().st_size
    return totals


def main() -> None:
    """Writes one file and prints its totals as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(
        json.dumps(
            asdict(write(arguments.file, arguments.rows, seed=arguments.seed)),
            default=str,
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
