"""Sixty days of invented cloud cost, and two weeks ahead, as a FOCUS 1.0 file; the same for the same day."""

import csv
import json
import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from bot.cli.demo.organisation import PROJECTS, DemoProject

COLUMNS = (
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingAccountId", "BillingPeriodStart", "BillingPeriodEnd",
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeDescription", "ProviderName", "ServiceName",
    "SubAccountId", "SubAccountName", "ResourceId", "Tags",
)  # fmt: skip

SERVICES = (
    ("GPU instances", Decimal("0.58")),
    ("Managed training", Decimal("0.17")),
    ("Object storage", Decimal("0.11")),
    ("Model endpoints", Decimal("0.14")),
)

DAYS_BACK, DAYS_AHEAD = 60, 14


def write(path: Path, today: date) -> None:
    """Write the file for a demo that opens on `today`. Days ahead are not counted until the clock gets there."""
    chance = random.Random(f"halden {today.isoformat()}")  # noqa: S311 - invented cost, not a secret
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for back in range(DAYS_BACK, -DAYS_AHEAD - 1, -1):
            day = today - timedelta(days=back)
            for number, project in enumerate(PROJECTS):
                for service, share in SERVICES:
                    rises = project.rises and day >= today.replace(day=1) + timedelta(
                        days=project.rises - 1
                    )
                    factor = Decimal(2 if rises and service == "GPU instances" else 1)
                    noise = Decimal(chance.randint(880, 1120)) / 1000
                    cost = (project.daily * share * factor * noise).quantize(
                        Decimal("0.0000000001")
                    )
                    writer.writerow(
                        _row(
                            day,
                            cost,
                            service,
                            f"40010{number:02}",
                            f"Halden {project.name}",
                            project,
                        )
                    )
            cost = (
                Decimal(chance.randint(40, 90)) + Decimal(chance.randint(0, 99)) / 100
            ).quantize(Decimal("0.01"))
            writer.writerow(_row(day, cost, "GPU instances", "4001099", "Halden Scratch", None))


def _row(
    day: date, cost: Decimal, service: str, account: str, name: str, project: DemoProject | None
) -> list[str]:
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return [
        f"{cost:f}",
        f"{cost:f}",
        "EUR",
        "halden-cloud",
        f"{first}T00:00:00Z",
        f"{following}T00:00:00Z",
        f"{day}T00:00:00Z",
        f"{day + timedelta(days=1)}T00:00:00Z",
        "Usage",
        f"{service} in {name}",
        "Northern Cloud",
        service,
        account,
        name,
        f"res-{account}-{service.casefold().replace(' ', '-')}",
        json.dumps({"team": project.unit} if project else {}),
    ]
