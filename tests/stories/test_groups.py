"""A user group's handle moves while a request waits, and another workspace of a Grid makes a group of the same handle."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.org import UserGroup
from storage.enums import ApprovalState
from tests.budgets.conftest import days
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, OLA, TIM, Office, eventually, opened
from tests.stories.test_grid import grid
from tests.stories.test_road import JANUARY, ask, decide, over_budget, state, texts, verified
from workflows import handles
from workflows.context import OPERATOR
from workflows.people import service as people


def means(office: Office) -> str | None:
    """What `@finance` means to the bot now, or the fault why it names nobody."""
    with office.db.read() as session:
        meant = handles.resolve(session, office.bot.deps.team.org_key, ["@finance"])
    unclear = meant.unclear.get("@finance")
    return unclear.fault.value if unclear else meant.groups["@finance"]


def hears(office: Office, meaning: str) -> None:
    eventually(lambda: means(office) == meaning, f"@finance is {meaning}")
    office.settle()


def refused(outcome: Any) -> str:
    return str(outcome.body) + str(outcome.errors) + str(outcome.text)


def asks_again(office: Office) -> str:
    """Tim asks for another project; what he reads."""
    office.project("lane", "Lane vision")
    office.costs(days(JANUARY, 20, "45", account="Acme Lane"))
    outcome = ask(office)
    tim = office.sandbox.seat(TIM)
    said = [one.text for one in tim.ephemerals()]
    return f"{refused(outcome)} {said} {texts(office, TIM)[-1:]}"


def test_a_handle_that_moves_while_a_request_waits(office: Office) -> None:
    over_budget(office)
    assert ask(office).ok
    assert decide(office, OLA).ok
    world = office.sandbox.world
    world.update_usergroup("S0FIN", handle="finance-old")
    hears(office, "gone")
    assert texts(office, ADA, "C0ADMIN")[-1] == (
        "@finance in the policy names nobody: no user group has the handle @finance any more"
    )
    world.add_usergroup(UserGroup("S0MAL", "T0ACME", "finance", "Fake", user_ids=[TIM, ADA]))
    hears(office, "moved")
    told = texts(office, ADA, "C0ADMIN")
    assert told[-1] == (
        "@finance in the policy names nobody: another user group has the handle @finance by now"
    )
    assert told[-2] == "@finance in the policy still names nobody; a newer message says why"
    # Ada is in the group that took the handle, and is not asked; Fay was asked, and decides.
    assert not any("approvals.approve" in str(m.blocks) for m in ada_messages(office))
    assert decide(office, FAY).ok
    assert state(office) is ApprovalState.APPROVED
    assert "goes by @finance, and another user group" in asks_again(office)
    with office.db.begin(patient=True) as session:
        people.confirm_handles(
            make_context(
                session,
                actor=OPERATOR,
                policy=office.bot.deps.policy,
                org=office.bot.deps.team.org_key,
                now=office.now(),
            )
        )
    office.settle()
    assert texts(office, ADA, "C0ADMIN")[-1] == (
        "@finance in the policy is clear again: it means Fake (S0MAL)"
    )
    assert verified(office)


def ada_messages(office: Office) -> list[Any]:
    seat = office.sandbox.seat(ADA)
    return list(seat.messages(seat.dm().id))


@pytest.fixture
def on_a_grid(sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    """mlgov is installed on the whole Grid, so that it reads the groups of every workspace."""
    world = grid()
    world["app"]["org_wide"] = True
    with opened(f"sqlite:///{tmp_path / 'grid.db'}", tmp_path, world=world) as running:
        yield running


def test_a_group_of_another_workspace_makes_no_approvers(on_a_grid: Office) -> None:
    office = on_a_grid
    over_budget(office)
    assert ask(office).ok
    office.sandbox.world.add_usergroup(
        UserGroup("S0MAL", "T0BRANCH", "finance", "Branch finance", user_ids=[ADA])
    )
    hears(office, "shared")
    assert texts(office, ADA, "C0ADMIN")[-1] == (
        "@finance in the policy names nobody: 2 user groups have the handle @finance"
    )
    assert decide(office, OLA).ok
    office.move(timedelta(minutes=1))
    assert not any("approvals.approve" in str(m.blocks) for m in ada_messages(office))
    assert decide(office, FAY).ok
    assert state(office) is ApprovalState.APPROVED
    office.sandbox.world.update_usergroup("S0MAL", handle="branch-finance")
    hears(office, "S0FIN")
    assert texts(office, ADA, "C0ADMIN")[-1] == (
        "@finance in the policy is clear again: it means Finance (S0FIN)"
    )
    assert verified(office)
