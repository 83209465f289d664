"""Whose a cost is: the policy's rules first, then the tag `project`, then the sub-account."""

import json
from collections.abc import Iterable, Mapping
from functools import partial

from sqlalchemy.orm import Session

from storage.budgets import costs, generations
from storage.db import PATIENT_MS, Database
from workflows.policy import Policy
from workflows.sources.accounts import same_account


class Allocator:
    """Gives an allocation key to a project, as the policy and the projects stand when it is made."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._projects = costs.project_ids(session)
        self._accounts = costs.account_projects(session)
        self._rules = policy.costs.allocate
        named = {rule.sub_account for rule in self._rules if rule.sub_account}
        self._same = _spelt_once({_exact(one) for one in named} | self._accounts.keys())
        self._alike = {
            same: self._accounts[account]
            for same, account in self._same.items()
            if account in self._accounts
        }

    def project(self, account_id: str, account_name: str, tags: str) -> int | None:
        """The project's id, or None for cost that belongs to none."""
        folded = {key.casefold(): str(value) for key, value in json.loads(tags or "{}").items()}
        accounts = {account_id.strip().casefold(), account_name.strip().casefold()} - {""}
        for rule in self._rules:
            by_account = (
                rule.sub_account is None
                or _exact(rule.sub_account) in accounts
                or self._is_alike(rule.sub_account, account_id)
            )
            by_tag = rule.tag is None or _has(folded, rule.tag)
            if by_account and by_tag:
                return self._projects.get(rule.project.strip().casefold())
        if (tagged := self._projects.get(folded.get("project", "").strip().casefold())) is not None:
            return tagged
        return next(
            (self._accounts[name] for name in sorted(accounts) if name in self._accounts),
            self._alike.get(same_account(account_id)),
        )

    def _is_alike(self, named: str, account_id: str) -> bool:
        """Whether an id is the one that a rule names, in another spelling that can mean no other account."""
        same = same_account(account_id)
        return self._same.get(same) == _exact(named)


def _exact(account: str) -> str:
    return account.strip().casefold()


def _spelt_once(accounts: Iterable[str]) -> dict[str, str]:
    """What all spellings of an account have in common → the account, for those that no two of them share."""
    spellings: dict[str, set[str]] = {}
    for account in accounts:
        spellings.setdefault(same_account(account), set()).add(account)
    return {
        same: next(iter(several))
        for same, several in spellings.items()
        if len(several) == 1 and same
    }


def _has(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(
        tags.get(key.strip().casefold(), "").strip().casefold() == value.strip().casefold()
        for key, value in wanted.items()
    )


def reallocate(session: Session, policy: Policy) -> int:
    """Give every allocation key to the project that rules and projects say now; how many changed hands.

    Run after projects or the policy changed: cost is never imported a second time for it.
    """
    allocator = Allocator(session, policy)
    changes = []
    for key, account_id, name, tags, project in costs.list_allocation_keys(session):
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
            for key, account_id, name, tags, before in costs.list_allocation_keys(session)
            if (project := allocator.project(account_id, name, tags)) != before
        ]
    for start in range(0, len(changes), STEP):
        part = changes[start : start + STEP]
        database.in_turn(partial(generations.give_keys, changes=part))
    return len(changes)
