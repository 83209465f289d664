"""Whose a cost is: the policy's rules first, then the tag `project`, then the sub-account."""

import json
from collections.abc import Mapping
from functools import partial

from sqlalchemy.orm import Session

from storage.budgets import costs, generations
from storage.db import PATIENT_MS, Database
from workflows.policy import Policy


class Allocator:
    """Gives an allocation key to a project, as the policy and the projects stand when it is made."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._projects = costs.project_ids(session)
        self._accounts = costs.account_projects(session)
        self._rules = policy.costs.allocate

    def project(self, account_id: str, account_name: str, tags: str) -> int | None:
        """The project's id, or None for cost that belongs to none."""
        folded = {
            key.casefold(): str(value)
            for key, value in json.loads(tags or "{}").items()
        }
        accounts = {account_id.strip().casefold(), account_name.strip().casefold()} - {
            ""
        }
        for rule in self._rules:
            by_account = (
                rule.sub_account is None
                or rule.sub_account.strip().casefold() in accounts
            )
            by_tag = rule.tag is None or _has(folded, rule.tag)
            if by_account and by_tag:
                return self._projects.get(rule.project.strip().casefold())
        if (
            found := self._projects.get(folded.get("project", "").strip().casefold())
        ) is not None:
            return found
        return next(
            (
                self._accounts[name]
                for name in sorted(accounts)
                if name in self._accounts
            ),
            None,
        )


def _has(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(
        tags.get(key.strip().casefold(), "").strip().casefold()
        == value.strip().casefold()
        for key, value in wanted.items()
    )


def reallocate(session: Session, policy: Policy) -> int:
    """Give every allocation key to the project that rules and projects say now; how many changed hands.

    Run after projects or the policy changed: cost is never imported a second time for it.
    """
    allocator = Allocator(session, policy)
    changes = []
    for key, account_id, name, tags, project in costs.allocation_keys(session):
        now = allocator.project(account_id, name, tags)
        if now != project:
            changes.append({"key": key, "project": now})
    costs.set_projects(session, changes)
    return len(changes)


STEP = 1_000
"""Allocation keys that change hands in one transaction."""


def reallocate_in_steps(database: Database, policy: Policy) -> int:
    """The same where other people wait to write: looked up beforehand, and written in batches."""
    with database.read(within=PATIENT_MS / 1000) as session:
        allocator = Allocator(session, policy)
        changes = [
            {"key": key, "before": before, "project": project}
            for key, account_id, name, tags, before in costs.allocation_keys(session)
            if (project := allocator.project(account_id, name, tags)) != before
        ]
    for start in range(0, len(changes), STEP):
        part = changes[start : start + STEP]
        database.in_turn(partial(generations.give_keys, changes=part))
    return len(changes)
