"""What conditions may speak of, per kind of subject: names and types. The subject types fill exactly these."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

FactType = Literal["double", "int", "string", "bool"]
Facts = Mapping[str, str | int | float | bool]
"""The facts of one request, by name. Money and per cents are doubles here and nowhere else: they choose who is asked,
never what is booked."""

_PROJECT: dict[str, FactType] = {
    "project.key": "string",
    "project.category": "string",
    "project.status": "string",
    "project.business_unit": "string",
}

FACTS: Mapping[str, Mapping[str, FactType]] = MappingProxyType(
    {
        "budget": {
            "increase.percent": "double",
            "increase.amount": "double",
            "increase.new": "double",
            "increase.currency": "string",
            "increase.scope": "string",
            **_PROJECT,
        },
        "milestone": {
            "delay.days": "int",
            "delay.total_days": "int",
            "milestone.type": "string",
            **_PROJECT,
        },
        "release": {
            "model.name": "string",
            "model.version": "string",
            "model.tier": "int",
            "environment": "string",
            "data.class": "string",
            "region": "string",
            **_PROJECT,
        },
        "model_version": {
            "model.name": "string",
            "model.version": "string",
            "model.tier": "int",
            "model.kind": "string",
            "model.eu_class": "string",
            "model.exposure": "string",
            "model.affects_people": "bool",
            "evidence.waived": "int",
            "evidence.flagged": "int",
            "findings.open": "int",
            "findings.high": "int",
            **_PROJECT,
        },
    }
)

SUBJECT_OF = {
    "budget_increase": "budget",
    "milestone_reschedule": "milestone",
    "model_approval": "model_version",
}
"""Gates whose name says what is decided there; every other gate is for a release unless it says `for`."""
