"""Asking for approval of a business case, and what follows: its project, its first budget, its place in the portfolio."""

import re
import unicodedata
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from storage.cases import queries
from storage.cases.tables import BusinessCase, CaseRevision
from storage.enums import ApprovalState, CaseState, ProjectCategory, ProjectStatus
from storage.money import money_text
from storage.people import lookups
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows import wording
from workflows.approvable import (
    Prepared,
    ReadAgain,
    Reread,
    Rest,
    Words,
    project_facts,
    project_rests,
)
from workflows.audit import service as audit
from workflows.budgets import service as budgets
from workflows.cases import portfolio, reads, revisions, rules, service
from workflows.cases.amounts import Range, cut_off, total
from workflows.cases.forms import AskCase, KeepCertainty, OnCase, find_step
from workflows.cases.reads import TYPE
from workflows.cases.records import Content, Guard, Missing, Revision
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, Stale
from workflows.maturity import results, targets
from workflows.policy.conditions import Facts

BEGINS = {
    ProjectStatus.DRAFT,
    ProjectStatus.SUBMITTED,
    ProjectStatus.UNDER_REVIEW,
    ProjectStatus.REJECTED,
    ProjectStatus.CANCELLED,
}
"""States of a project that has not begun, or was given up before its first case was approved: a decision about its case
moves it on."""
FIRST_BUDGET = 12
"""Months of the first budget."""


class Incomplete(InvalidInput):
    """A case that can't be asked about yet; `missing` says what to enter where."""

    def __init__(self, missing: Collection[Missing]) -> None:
        super().__init__(" ".join(each.sentence for each in missing))
        self.missing = tuple(missing)


# --- What maturity says


def find_guard(ctx: Context, category: ProjectCategory | None) -> Guard:
    """What the latest published result says to a category: innovation needs a reason while maturity is low."""
    if category is not ProjectCategory.INNOVATION:
        return Guard()
    if results.find_latest(ctx) is None:
        return Guard(
            "The organisation's maturity was not assessed yet, and business-model innovation is what mature organisations "
            "carry best.",
            is_unknown=True,
        )
    low = targets.find_caution(ctx, category.value)
    if low is None:
        return Guard()
    # Whoever may not see the result is told no dimension of it.
    seen = targets.find_caution_for(ctx, category.value, status=ProjectStatus.DRAFT)
    sentence = (
        targets.describe_caution(seen)
        if seen is not None
        else "The organisation's maturity is low, and business-model innovation is what mature organisations carry best. "
        "Start with an optimisation or a better decision."
    )
    return Guard(sentence, needs_waiver=True)


def list_missing(ctx: Context, case_id: int) -> list[Missing]:
    """What a case still needs before it is asked about, step by step. Raises NotFound."""
    case = reads.require_sight(ctx, case_id)
    return _list_missing(ctx, case, Content.model_validate(case.content))


def _list_missing(ctx: Context, case: BusinessCase, content: Content) -> list[Missing]:
    missing = [
        Missing(step, sentence)
        for step, sentence in service.list_missing(
            case, content, reads.read_figures(content)
        ).items()
    ]
    category = ProjectCategory(case.category) if case.category else None
    if case.waiver_id is None and find_guard(ctx, category).needs_waiver:
        missing.append(
            Missing(
                find_step(KeepCertainty.KEY),
                "Say why innovation can't wait although maturity is low.",
            )
        )
    return missing


# --- A re-estimate


def describe_reestimate(ctx: Context, case_id: int) -> list[str] | None:
    """Why the case as it is written has to be approved anew, each a phrase; empty where it doesn't, None where it was
    never approved."""
    case = reads.require_sight(ctx, case_id)
    before = _find_agreed(ctx, case)
    if before is None:
        return None
    if case.category is None:
        return []
    return _list_material(
        ctx, before, _estimate_now(ctx, case, Content.model_validate(case.content))
    )


def record_reestimate(ctx: Context, form: OnCase, *, reason: str) -> int:
    """Keep another estimate of an approved case, which nobody has to approve because the change is small; its number.

    Raises InvalidInput for a material change, and for one that changes nothing.
    """
    case = service.lock_writable(ctx, form)
    _require_shown(case, form)
    content = Content.model_validate(case.content)
    _require_complete(ctx, case, content)
    before = _find_agreed(ctx, case)
    if before is None:
        raise InvalidInput("This case was never approved; ask for approval.")
    reasons = _list_material(ctx, before, _estimate_now(ctx, case, content))
    if reasons:
        raise InvalidInput(f"This has to be approved anew: {', '.join(reasons)}.")
    revision = revisions.add(ctx, case, content)
    if not reads.list_differences(before, reads.build_revision(ctx, revision, None)):
        raise InvalidInput("Nothing differs from the estimate that holds.")
    revision.agreed_at = ctx.now
    case.agreed = revision.number
    ctx.session.flush()
    text = audit.write_text(ctx.session, ctx.actor, reason, now=ctx.now) if reason else None
    audit.record(
        ctx,
        "case.reestimated",
        (TYPE, case.id),
        number=revision.number,
        **revisions.list_figures(ctx, revision),
        **({"reason": audit.text_fact(text)} if text is not None else {}),
    )
    return revision.number


def _find_agreed(ctx: Context, case: BusinessCase) -> Revision | None:
    if case.agreed is None:
        return None
    row = queries.find_revision(ctx.session, case.id, case.agreed)
    return reads.build_revision(ctx, row, None) if row is not None else None


def _list_material(ctx: Context, before: Revision, now: rules.Estimate) -> list[str]:
    limits = ctx.policy.cases.material
    return rules.list_material(
        _judge(before.content, before.outlook.likely, before.category),
        now,
        rules.Material(limits.cost_percent, limits.benefit_percent, limits.months),
    )


def _estimate_now(ctx: Context, case: BusinessCase, content: Content) -> rules.Estimate:
    worth = reads.weigh(ctx, reads.read_figures(content)).likely
    return _judge(content, worth, ProjectCategory(case.category or ""))


def _judge(content: Content, worth: rules.Worth, category: ProjectCategory) -> rules.Estimate:
    starts = content.starts or date.min
    return rules.Estimate(
        worth.benefits,
        worth.costs,
        content.currency or "",
        rules.shift_month(starts, (content.months or 1) - 1),
        category,
        content.tier,
    )


# --- Revisions


def _require_shown(case: BusinessCase, form: OnCase) -> None:
    if form.revision != case.revision:
        raise Stale("This case changed since it was shown to you. Look at it once more, then ask.")


def _require_complete(ctx: Context, case: BusinessCase, content: Content) -> None:
    missing = _list_missing(ctx, case, content)
    if missing:
        raise Incomplete(missing)


def _describe_budget(revision: CaseRevision) -> tuple[Decimal, date, date] | None:
    """The first budget: what bills of the first twelve months are likely to come to, its first and its last day; None
    where nothing is to be billed."""
    content = Content.model_validate(revision.content)
    if content.starts is None or content.months is None:
        return None
    months = min(FIRST_BUDGET, content.months)
    amount = total(cut_off(Range.of(revision.flows["bills"]).likely, months))
    if amount <= 0:
        return None
    last = date.fromordinal(rules.shift_month(content.starts, months).toordinal() - 1)
    return amount, content.starts, last


# --- The subject type


class CaseApproval:
    """A subject type (see `workflows.approvable`): its subject is a business case, its form `AskCase`.

    What is asked is a revision, which never changes; while it waits, nobody changes the case.
    """

    gate = "business_case"
    is_editable = False

    def prepare(self, ctx: Context, form: AskCase, *, replacing: int | None = None) -> Prepared:
        """Lock the case, keep the estimate that is asked about, and make its project where there is none.

        Raises Incomplete, and Stale where the case is not what was shown.
        """
        case = service.lock_writable(ctx, form)
        _require_shown(case, form)
        content = Content.model_validate(case.content)
        _require_complete(ctx, case, content)
        if form.channel and not lookups.is_joined(ctx.session, ctx.org, form.channel):
            raise InvalidInput(
                "mlgov isn't in that channel, so it couldn't write there. Invite it first, or leave this empty.",
                field="channel",
            )
        before = _find_agreed(ctx, case)
        if before is not None and not _list_material(
            ctx, before, _estimate_now(ctx, case, content)
        ):
            raise InvalidInput(
                "The change is small, so nobody has to approve it; record it instead."
            )
        revision = revisions.add(ctx, case, content)
        project = _begin_project(ctx, case, form.channel)
        if case.agreed is None:
            case.state = CaseState.WAITING.value
        ctx.session.flush()
        return Prepared(
            subject_id=case.id,
            project_id=project.id,
            facts={
                "case_id": case.id,
                "number": revision.number,
                "from_number": case.agreed,
                **revisions.list_figures(ctx, revision),
            },
            people=_people(case, project),
            conditions=_conditions(ctx, revision, before, project),
            rests=project_rests(project),
        )

    def reread(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Reread:
        """What conditions are told now: what is asked stays, the project and its models may differ."""
        case = queries.find(ctx.session, subject_id)
        revision = queries.find_revision(ctx.session, subject_id, facts["number"])
        project = service.find_project(ctx, case) if case is not None else None
        if case is None or revision is None or project is None:
            return Reread(None)
        conditions = _conditions(ctx, revision, _find_agreed(ctx, case), project)
        return Reread(ReadAgain(conditions, rests=(*_rests(ctx, project), *project_rests(project))))

    def people(self, session: Session, case_id: int) -> dict[str, str | None]:
        """Who is to own and sponsor what would be asked for, before it is."""
        case = queries.find(session, case_id)
        if case is None:
            raise reads.no_case()
        return {"owner": case.owner_id, "sponsor": case.sponsor_id, "manager": None}

    def lock(self, session: Session, subject_id: int) -> None:
        """Lock the case's row."""
        queries.lock(session, subject_id)

    def apply(self, ctx: Context, approval_id: int, subject_id: int, facts: dict[str, Any]) -> None:
        """Approved: the estimate holds, the project may begin, and gets its first budget."""
        case, revision, project = self._load(ctx, subject_id, facts)
        is_first = case.agreed is None
        revision.approval_id, revision.agreed_at = approval_id, ctx.now
        case.agreed, case.state = revision.number, CaseState.APPROVED.value
        project.category = revision.content["category"]
        project.sponsor_id = project.sponsor_id or case.sponsor_id
        if is_first and project.status in BEGINS:
            _set_status(ctx, project, ProjectStatus.APPROVED, approval_id)
        ctx.session.flush()
        audit.record(
            ctx,
            "case.agreed",
            (TYPE, case.id),
            approval=approval_id,
            number=revision.number,
            **revisions.list_figures(ctx, revision),
        )
        budget = _describe_budget(revision) if is_first else None
        if budget is not None:
            amount, starts, ends = budget
            budgets.agree_first(
                ctx,
                project,
                amount=amount,
                currency=facts["currency"],
                starts=starts,
                ends=ends,
                approval_id=approval_id,
            )

    def close(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
    ) -> None:
        """Rejected, expired or withdrawn: what was agreed before holds on; a first case can be changed and asked again."""
        case, revision, project = self._load(ctx, subject_id, facts)
        revision.approval_id = approval_id
        if case.agreed is not None:
            return
        is_rejected = outcome is ApprovalState.REJECTED
        case.state = (CaseState.REJECTED if is_rejected else CaseState.DRAFT).value
        if project.status == ProjectStatus.UNDER_REVIEW:
            status = ProjectStatus.REJECTED if is_rejected else ProjectStatus.DRAFT
            _set_status(ctx, project, status, approval_id)
        ctx.session.flush()

    def lapse(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        spared: Collection[str] = (),
    ) -> None:
        """The estimate holds no more; the one that it replaced does again, or the project waits. Its budget stays for
        whoever answers for it to change."""
        case, revision, project = self._load(ctx, subject_id, facts)
        if case.agreed != revision.number:
            audit.record(
                ctx, "case.kept", (TYPE, case.id), approval=approval_id, number=case.agreed
            )
            return
        case.agreed = facts["from_number"]
        case.state = (CaseState.APPROVED if case.agreed is not None else CaseState.DRAFT).value
        revision.agreed_at = None
        if case.agreed is None and project.status in (
            ProjectStatus.APPROVED,
            ProjectStatus.IN_PROGRESS,
        ):
            _set_status(ctx, project, ProjectStatus.ON_HOLD, approval_id)
        ctx.session.flush()
        audit.record(ctx, "case.lapsed", (TYPE, case.id), approval=approval_id, number=case.agreed)

    def words(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Words:
        """What is asked, in plain words: both sides first."""
        case, revision, project = self._load(ctx, subject_id, facts)
        content = Content.model_validate(revision.content)
        outlook, currency = revisions.weigh(ctx, revision), content.currency or ""
        likely = outlook.likely
        brings, costs = (
            wording.money(likely.benefits, currency),
            wording.money(likely.costs, currency),
        )
        multiple = (
            rules.describe_multiple(likely.multiple) if likely.multiple is not None else "no cost"
        )
        is_first = facts["from_number"] is None
        asks = (
            f"{'begin' if is_first else 'change its estimate'}: it costs {costs} and brings {brings} in "
            f"{wording.counted(content.months or 0, 'month')} ({multiple})"
        )
        stays = "it doesn't begin" if is_first else "the estimate that was approved before holds on"
        budget = _describe_budget(revision) if is_first else None
        done = f"{case.title} may begin" if is_first else f"{case.title} has a new estimate"
        if budget is not None:
            amount, starts, ends = budget
            done += f"; its first budget is {wording.money(amount, currency)} for {starts:%b %Y} to {ends:%b %Y}"
        return Words(
            project=project.name,
            asks=asks,
            stays=stays,
            done=done,
            facts=tuple(_list_facts(ctx, case, revision, outlook, budget)),
            undone=f"{case.title} is without this approval again",
        )

    def _load(
        self, ctx: Context, case_id: int, facts: dict[str, Any]
    ) -> tuple[BusinessCase, CaseRevision, Project]:
        case = queries.find(ctx.session, case_id)
        revision = queries.find_revision(ctx.session, case_id, facts["number"])
        project = service.find_project(ctx, case) if case is not None else None
        if case is None or revision is None or project is None:
            raise reads.no_case()
        return case, revision, project


def _list_facts(
    ctx: Context,
    case: BusinessCase,
    revision: CaseRevision,
    outlook: rules.Outlook,
    budget: tuple[Decimal, date, date] | None,
) -> list[tuple[str, str]]:
    """Label and value pairs beside what is asked: what decides first."""
    content = Content.model_validate(revision.content)
    currency, likely = content.currency or "", outlook.likely
    category = ProjectCategory(revision.content["category"])
    worst, best = (_bare(each.npv) for each in (outlook.worst, outlook.best))
    facts = [
        (
            "Worth today",
            f"{wording.money(likely.npv.quantize(Decimal(1)), currency)} (from {worst} to {best})",
        ),
        ("Payback", rules.describe_payback(likely, content.starts or date.min)),
        ("Problem", content.problem),
        ("Category", rules.CATEGORIES[category].name),
        (
            "How sure",
            f"benefits {_percent(content.confidence)}, buildable {_percent(content.feasibility)}",
        ),
    ]
    if content.metric and content.target is not None:
        now = f"{money_text(content.baseline)} → " if content.baseline is not None else ""
        facts.append(("Measured by", f"{content.metric}: {now}{money_text(content.target)}"))
    place = _find_place(ctx, case, revision, outlook)
    if place is not None:
        among = f"of the {place[1]:,} projects that you see"
        rank = f"{place[0]:,} {among}" if place[1] > 1 else "alone: you see no other project ranked"
        facts.insert(1, ("Would rank", rank))
    if (question := rules.question_estimate(likely, category)) is not None:
        facts.append(("Check", question))
    if (waiver := queries.find_text(ctx.session, case.waiver_id)) is not None:
        facts.append(("Although maturity is low", waiver))
    if budget is not None:
        facts.append(
            ("First budget", f"{wording.money(budget[0], currency)}, all costs but people")
        )
    return facts


def _find_place(
    ctx: Context, case: BusinessCase, revision: CaseRevision, outlook: rules.Outlook
) -> tuple[int, int] | None:
    """The place among what the reader sees; None where nobody in particular reads."""
    if ctx.actor.kind is not ActorKind.PERSON or not ctx.actor.is_member:
        return None
    content = Content.model_validate(revision.content)
    return portfolio.find_place(ctx, portfolio.Candidate(case.project_id, content, outlook.likely))


def _bare(amount: Decimal) -> str:
    return f"{amount:,.0f}"


def _percent(share: Decimal | None) -> str:
    return "unknown" if share is None else f"{share * 100:.0f} %"


def _people(case: BusinessCase, project: Project) -> dict[str, str | None]:
    """Those whom the case names: a project that goes on may have had nobody to sponsor it."""
    return {"owner": case.owner_id, "sponsor": case.sponsor_id, "manager": project.manager_id}


def _conditions(
    ctx: Context, revision: CaseRevision, before: Revision | None, project: Project
) -> Facts:
    likely = revisions.weigh(ctx, revision).likely
    content = Content.model_validate(revision.content)
    change = Decimal(0)
    if before is not None and before.outlook.likely.costs:
        change = (likely.costs / before.outlook.likely.costs - 1) * 100
    return {
        "case.costs": float(likely.costs),
        "case.benefits": float(likely.benefits),
        "case.npv": float(likely.npv),
        "case.multiple": float(likely.multiple or 0),
        "case.months": content.months or 0,
        "case.currency": content.currency or "",
        "case.tier": find_tier(ctx, project.id, content.tier) or 0,
        "case.is_first": before is None,
        "case.cost_change": float(change),
        **project_facts(project),
        # What is asked, not what the project was before.
        "project.category": revision.content["category"],
        "project.business_unit": revision.content["business_unit"] or "",
    }


def find_tier(ctx: Context, project_id: int, expected: int | None) -> int | None:
    """The gravest risk tier of the project's models; before any was assessed, the one that is expected."""
    return queries.find_tiers(ctx.session, [project_id]).get(project_id, expected)


def _rests(ctx: Context, project: Project) -> tuple[Rest, ...]:
    tier = find_tier(ctx, project.id, None)
    if tier is None:
        return ()
    return (Rest("case.tier", "risk tier of its models", tier, weight=-tier, by_condition=True),)


# --- The project


def _begin_project(ctx: Context, case: BusinessCase, channel: str) -> Project:
    """The case's project: the one that goes on already, or a new one under review."""
    project = service.find_project(ctx, case)
    if project is None:
        project = Project(
            key=_make_key(ctx.session, case.title),
            name=case.title,
            owner_id=case.owner_id,
            sponsor_id=case.sponsor_id,
            business_unit=case.business_unit,
            category=case.category,
            channel=channel or None,
            status=ProjectStatus.UNDER_REVIEW.value,
            created_at=ctx.now,
        )
        ctx.session.add(project)
        project_queries.add_move(ctx.session, project, None, ctx.now)
        case.project_id = project.id
        audit.record(ctx, "project.added", ("project", project.id), key=project.key, case=case.id)
    elif project.status in BEGINS and case.agreed is None:
        project.name, project.owner_id, project.sponsor_id = (
            case.title,
            case.owner_id,
            case.sponsor_id,
        )
        project.business_unit, project.category = case.business_unit, case.category
        if project.status != ProjectStatus.UNDER_REVIEW:
            _set_status(ctx, project, ProjectStatus.UNDER_REVIEW, None)
    return project


def _set_status(
    ctx: Context, project: Project, status: ProjectStatus, approval_id: int | None
) -> None:
    before, project.status = project.status, status.value
    project_queries.add_move(ctx.session, project, before, ctx.now)
    audit.record(
        ctx,
        "project.moved",
        ("project", project.id),
        source=before,
        target=status.value,
        **({"approval": approval_id} if approval_id is not None else {}),
    )


_SLUG = re.compile(r"[^a-z0-9]+")
MOST_KEY = 48


def _make_key(session: Session, title: str) -> str:
    """A key that people can type, made of the title's words; numbered where another project has it."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().casefold()
    words = _SLUG.sub("-", plain).strip("-")
    # Cut between words, so that no key ends in half of one.
    while len(words) > MOST_KEY and "-" in words:
        words = words.rpartition("-")[0]
    base = words[:MOST_KEY] or "project"
    key, number = base, 2
    while project_queries.find_by_key(session, key) is not None:
        key, number = f"{base}-{number}", number + 1
    return key


CASE_APPROVAL = CaseApproval()


def require_askable(ctx: Context, case_id: int) -> None:
    """Raise what asking would refuse, before somebody is asked why. Raises GovernanceError."""
    case = reads.require_sight(ctx, case_id)
    if not reads.is_writer(ctx, case):
        raise GovernanceError(
            "Only whoever wrote this case, or is to own it, asks for its approval."
        )
    ctx.policy.gate(CaseApproval.gate)
    _require_complete(ctx, case, Content.model_validate(case.content))
