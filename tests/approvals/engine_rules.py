"""The gates under which the engine is tried, who tries, and how what it did is looked at."""

import json

from sqlalchemy import select

from bot.approvals.activity import RENDERERS
from bot.delivery.rendering import Scene
from storage.approvals.tables import ApprovalStage
from storage.delivery.tables import Message
from tests.approvals.conftest import House
from tests.approvals.test_gates import gate
from workflows import outbox
from workflows.approvals.stages import Stage

GATES = [
    gate(
        "{name: Owner, approvers: [subject.owner]}\n"
        '{name: Money, when: increase.percent > 20.0, approvers: ["@finance", U0EVE], quorum: 2, member_since: 12h}',
        "remind_after: [1d, 3d]\nescalate: {after: 2d, add: [role:lead]}\nchange_reopens: Money\n"
        "break_glass: {by: [U0NED]}",
    ),
    gate(
        '{name: Both, all_of: [{name: Money, approvers: ["@finance"]}, {name: Risk, approvers: ["@risk"], quorum: 2}]}\n'
        "{name: Last, any_of: [{approvers: [U0OLA, U0EVE], quorum: 2}, {approvers: [role:lead]}]}",
        "separate: [requester, developer, contributors]\nremind_after: [4h]\n"
        "break_glass: {by: [U0NED, U0TIM], review_within: 2d}\nhand_over_to: [U0NED, U0EVE]",
    ),
    gate(
        '{name: Pinned, approvers: ["@risk"], member_since: pinned}\n'
        "{name: Sponsor, approvers: [subject.sponsor], comment: required}",
        "nobody: {fallback: [U0EVE, U0OLA]}\nescalate: {after: 1d, replace: [U0FAY, U0OLA]}\nvalid_for: 5d",
    ),
    gate(
        "{name: Owner, approvers: [subject.owner]}",
        "auto_approve: increase.percent < 10.0\nescalate: {after: 6d, notify: [role:lead]}",
    ),
]
PEOPLE = ["ola", "fay", "fred", "eve", "ned", "tim", "gus", "lea"]
BY_KIND = {one.notice.kind: one for one in RENDERERS}
FOLLOWED = {"approval.card", "approval.receipt"}
"""Copies that show the same to everybody."""


def stages_of(house: House, approval_id: int) -> list[str]:
    """Whom each stage of a request asks, and by which rules, as text."""
    with house.db.read() as session:
        rows = session.execute(
            select(ApprovalStage)
            .where(ApprovalStage.approval_id == approval_id)
            .order_by(ApprovalStage.position)
        ).scalars()
        return [json.dumps([row.name, row.approvers, row.quorum, row.rules]) for row in rows]


def rendered(house: House, approval_id: int) -> dict[int, str]:
    """What every copy of a request would say now."""
    scene = Scene(house.now, house.policy)
    with house.db.read() as session:
        copies = session.execute(
            select(Message).where(
                Message.subject_type == "approval",
                Message.subject_id == str(approval_id),
                Message.kind.in_(FOLLOWED),
                Message.live.is_(True),
            )
        ).scalars()
        told = {}
        for copy in copies.all():
            renderer = BY_KIND[copy.kind]
            notice = outbox.rebuild(renderer.notice, copy.notice)
            view = renderer.render(session, notice, scene)
            told[copy.id] = json.dumps(view.blocks)  # type: ignore[union-attr]
        return told


def require_quorum(stage: Stage, voters: list[tuple[int, ...]]) -> None:
    """By trying every way to give each voter one place: the engine matches, this counts."""
    quorums = list(stage.quorums)

    def fits(left: list[tuple[int, ...]], needs: list[int]) -> bool:
        if all(need <= 0 for need in needs):
            return True
        if not left:
            return False
        first, *rest = left
        return fits(rest, needs) or any(
            fits(rest, [need - (index == party) for index, need in enumerate(needs)])
            for party in first
        )

    if stage.mode == "any":
        reached = any(
            sum(party in voter for voter in voters) >= need for party, need in enumerate(quorums)
        )
    else:
        reached = fits(voters, quorums)
    assert reached, f"approved without the quorum of {stage.name}"
