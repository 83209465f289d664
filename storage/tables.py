"""Every table in one import, for migrations and for the metadata test."""

from storage import leases
from storage.anonymity import tables as disclosure
from storage.approvals import tables as actions
from storage.approvals import tables as approvals
from storage.audit import tables as audit
from storage.base import Base
from storage.budgets import tables as budgets
from storage.cases import tables as cases
from storage.delivery import tables as delivery
from storage.digests import tables as digests
from storage.evidence import tables as evidence
from storage.imports import tables as imports
from storage.inventory import tables as inventory
from storage.maturity import tables as maturity
from storage.milestones import tables as milestones
from storage.people import tables as people
from storage.policies import tables as policies
from storage.projects import tables as projects
from storage.registry import tables as registry
from storage.releases import tables as releases
from storage.statements import tables as statements
from storage.status import tables as front
from storage.tokens import tables as tokens
from storage.webhooks import tables as webhooks

__all__ = [
    "Base",
    "actions",
    "approvals",
    "audit",
    "budgets",
    "cases",
    "delivery",
    "digests",
    "disclosure",
    "evidence",
    "front",
    "imports",
    "inventory",
    "leases",
    "maturity",
    "milestones",
    "people",
    "policies",
    "projects",
    "registry",
    "releases",
    "statements",
    "tokens",
    "webhooks",
]
