"""How long decisions take is nobody's own pace: not by who decides most, and not from one figure to the next."""

import random
from datetime import timedelta

import pytest

from tests.anonymity.oracle import Group, few_told
from tests.contexts import make_context
from tests.digests.conftest import FIRST_DAY, LONDON, NOW, Firm, told
from workflows.digests import service
from workflows.digests.records import Content


def decided(firm: Firm, project: int, who: str, hours: int, stage: str = "Finance") -> int:
    return firm.request(project, state="approved", stages=((stage, ((who, hours),)),))


def preview(firm: Firm, days: int = 0) -> Content:
    """The same, looked at and not sent, so many days later."""
    with firm.db.read() as session:
        return service.make_content(
            make_context(
                session, actor=firm.actor("lea"), policy=firm.policy, now=NOW + timedelta(days=days)
            ),
            first_day=FIRST_DAY + timedelta(days=days),
            zone=LONDON,
        )


def some(firm: Firm, number: int) -> list[str]:
    return [firm.person(f"x{n}").removeprefix("p-") for n in range(number)]


def test_who_decides_most_counts_no_more_than_all_others(firm: Firm) -> None:
    """Five decided, and forty of forty-four decisions were one person's."""
    project = firm.project("Ticket triage", owner="ola")
    ann, *others = some(firm, 5)
    for _ in range(40):
        decided(firm, project, ann, 50)
    for name in others:
        decided(firm, project, name, 2)
    found = firm.digest().figures["approvals"]
    assert (found["approved"], found["measured"]) == (44, 8)
    assert found["median"] == 26 * 3600, "half of them hers, and half of all others"


def test_previews_before_and_after_a_decision_tell_nothing_of_it(firm: Firm) -> None:
    """Two previews, and one person's decision between them."""
    project = firm.project("Ticket triage", owner="ola")
    names = some(firm, 6)
    for name in names[:5]:
        decided(firm, project, name, 3)
    assert preview(firm).figures["approvals"]["median"] is None
    sent = firm.digest().figures["approvals"]
    assert (sent["measured"], sent["median"]) == (5, 3 * 3600)
    decided(firm, project, names[5], 33)
    for content in (preview(firm), preview(firm, 1), firm.digest()):
        found = content.figures["approvals"]
        assert (found["measured"], found["median"]) == (5, 3 * 3600)
    assert "33" not in told(firm.digest())
    for name in names[:5]:
        decided(firm, project, name, 13)
    assert firm.digest().figures["approvals"]["measured"] == 11


def test_a_block_that_is_not_whole_any_more_is_not_counted(firm: Firm) -> None:
    """One request is no longer decided, or out of sight: what is left of its block would tell of it."""
    project = firm.project("Ticket triage", owner="ola")
    names = some(firm, 10)
    first = [decided(firm, project, name, 3) for name in names[:6]]
    assert firm.digest().figures["approvals"]["measured"] == 6
    for name in names[4:10]:
        decided(firm, project, name, 13)
    assert firm.digest().figures["approvals"]["measured"] == 12
    firm.undo(first[0])
    assert firm.digest().figures["approvals"]["measured"] == 6


def test_a_decision_that_was_taken_back_and_taken_anew_does_not_stand_out(firm: Firm) -> None:
    """The block of a request that was decided twice would change by that one request."""
    project = firm.project("Ticket triage", owner="ola")
    names = some(firm, 11)
    first = [decided(firm, project, name, 3) for name in names[:6]]
    for name in names[6:11]:
        decided(firm, project, name, 5)
    assert firm.digest().figures["approvals"]["measured"] == 11
    firm.undo(first[0])
    assert firm.digest().figures["approvals"]["median"] is None
    firm.redo(first[0], NOW - timedelta(hours=10))
    assert firm.digest().figures["approvals"]["median"] is None


@pytest.mark.parametrize("seed", range(6))
def test_no_history_of_digests_tells_of_a_few(firm: Firm, seed: int) -> None:
    """What is measured of whom, over many figures to one reader, against linear algebra."""
    chance = random.Random(seed)
    project = firm.project("Ticket triage", owner="ola")
    names = some(firm, 8)
    by: dict[int, list[str]] = {}
    told_so_far: list[Group] = []
    undone: set[int] = set()
    for _ in range(12):
        for _ in range(chance.randrange(8)):
            who = chance.choice([*names, names[0], names[0]])
            by[decided(firm, project, who, chance.randrange(1, 60))] = [who]
        if by and chance.random() < 0.3:
            gone = chance.choice(list(by))
            firm.undo(gone)
            undone.add(gone)
        found = firm.digest().figures["approvals"]
        counted = [one for one in firm.blocks("lea") if not undone & set(one)]
        assert found["measured"] == sum(len(block) for block in counted)
        told_so_far.append({i: by[i] for block in counted for i in block})
    assert any(told_so_far)
    assert few_told(told_so_far, 5) is None
