"""Business cases and the portfolio for people's own programs: the same steps, rules and ledger as in Slack."""

import hashlib
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from bot import freshness
from bot.deps import Deps
from bot.web.api import BIGGEST, IdempotencyKey, describe_answers
from bot.web.authentication import Caller, Door, needs
from storage.enums import CaseState, Driver, ProjectCategory, Scope
from storage.money import money_text
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.cases import approval, portfolio, reads, rules, service
from workflows.cases.approval import CASE_APPROVAL
from workflows.cases.forms import (
    AskCase,
    CaseLine,
    KeepCertainty,
    KeepFrame,
    KeepIdea,
    KeepMeasure,
    KeepPeople,
    Propose,
    Step,
)
from workflows.cases.ranking import Ranked
from workflows.cases.records import CaseRecord
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, first_fault
from workflows.people import service as people

Short = Annotated[str, Field(max_length=200)]
Long = Annotated[str, Field(max_length=2000)]
Sent = Annotated[str, Field(max_length=40)]
"""A number as people write it: decimal text, so that nothing is rounded on the way."""


class LineSent(BaseModel):
    """A benefit or a cost. `amount` by month, in the words of a window; the other four for `time_saved`."""

    model_config = ConfigDict(extra="forbid")

    driver: Driver
    name: Short = ""
    amount: Long = Field(
        default="",
        description="`4,000`, `3,000 / 4,000 / 5,000`, `2,000 → 6,000`, or a table, a row a month.",
    )
    uses: Long = ""
    minutes: Short = ""
    acceptance: Short = ""
    rate: Short = ""


class CaseSent(BaseModel):
    """A business case. With `reason` it is asked about at once; without, it is kept as a draft."""

    model_config = ConfigDict(extra="forbid")

    title: Short
    problem: Long = ""
    affected: Long = ""
    project: Annotated[str, Field(max_length=80)] = Field(
        default="", description="The key of a project that goes on already."
    )
    owner: Short | None = Field(default=None, description="Slack id or e-mail address.")
    sponsor: Short | None = None
    business_unit: Short = ""
    category: ProjectCategory | None = None
    metric: Short = ""
    baseline: Sent | None = None
    baseline_on: date | None = None
    target: Sent | None = None
    starts: date
    months: Annotated[int, Field(ge=1, le=120)]
    currency: Annotated[str, Field(pattern=r"^[A-Za-z]{3}$")]
    lines: list[LineSent] = Field(default=[], max_length=30)
    confidence: Sent | None = None
    feasibility: Sent | None = None
    tier: Annotated[int, Field(ge=1, le=3)] | None = None
    waiver: Long = ""
    reason: Annotated[str, Field(max_length=3000)] = ""


class WorthTold(BaseModel):
    """What it comes to, as exact decimal texts."""

    benefits: str
    costs: str
    npv: str
    multiple: str | None
    payback_month: int | None


class CaseTold(BaseModel):
    """A business case as it stands."""

    id: int
    title: str
    state: CaseState
    project: str | None
    owner: str | None = Field(description="By name.")
    sponsor: str | None
    business_unit: str | None
    category: ProjectCategory | None
    starts: date | None
    months: int | None
    currency: str | None
    worth: WorthTold | None
    place: int | None = Field(description="Among the projects that you see, with it.")
    of: int | None
    missing: list[str] = Field(description="What it needs before it can be asked about.")
    request: int | None = Field(description="The request that waits.")


class RankedTold(BaseModel):
    """A project in the portfolio."""

    place: int
    place_by_worth: int
    project: str
    name: str
    status: str
    currency: str
    risk_adjusted: str
    worth: WorthTold
    confidence: str
    feasibility: str
    tier: int | None


class PortfolioTold(BaseModel):
    """Projects by what they are worth, among what the person of the token sees. Each currency has an order of its own."""

    ranked: list[RankedTold]
    not_estimated: list[str]
    discount_rate: str


CaseId = Annotated[int, Path(ge=1, le=BIGGEST)]


def router(deps: Deps, door: Door) -> APIRouter:
    """The endpoints under /cases, and /portfolio."""
    api = APIRouter(tags=["cases"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]

    @api.post(
        "/cases",
        status_code=201,
        responses=describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429),
        openapi_extra=needs(Scope.CASES),
    )
    def propose(sent: CaseSent, key: IdempotencyKey, caller: Calls, response: Response) -> CaseTold:
        """Propose a project; with a reason, ask for its approval. The same key again changes nothing."""
        door.require(caller, Scope.CASES)
        with deps.db.read() as session:
            named = {
                field: _find_person(session, field, word)
                for field, word in (("owner", sent.owner), ("sponsor", sent.sponsor))
                if word is not None
            }
        freshness.confirm_named(deps, caller.actor, {slack_id for _, slack_id in named.values()})
        digest = hashlib.sha256(key.encode()).hexdigest()
        people_ids = {field: id_ for field, (id_, _) in named.items()}
        try:
            case_id = deps.act(
                caller.actor, _write, sent, people_ids, f"api:{caller.actor.id}:{digest}"
            )
        except ValidationError as error:
            place, sentence = first_fault(error)
            raise InvalidInput(sentence, field=place or None) from None
        response.headers["Location"] = f"/api/v1/cases/{case_id}"
        return deps.read(caller.actor, _tell, case_id)

    @api.get("/cases/{case_id}", responses=describe_answers(400, 401, 403, 404, 422, 429))
    def show_case(case_id: CaseId, caller: Calls) -> CaseTold:
        """A business case as it stands."""
        door.require(caller, Scope.CASES_READ)
        return deps.read(caller.actor, _tell, case_id)

    @api.get("/portfolio", responses=describe_answers(400, 401, 403, 422, 429))
    def show_portfolio(
        caller: Calls, unit: Annotated[str | None, Query(max_length=200)] = None
    ) -> PortfolioTold:
        """Projects by what they are worth, the most valuable first."""
        door.require(caller, Scope.CASES_READ)
        loaded = deps.read(caller.actor, portfolio.load, unit)
        return PortfolioTold(
            ranked=[_tell_ranked(each) for group in loaded.groups for each in group.ranked],
            not_estimated=[each.key for each in loaded.unestimated],
            discount_rate=money_text(loaded.rate),
        )

    return api


def _find_person(session: Session, field: str, word: str) -> tuple[str, str]:
    """Opaque id and Slack id of whom a word names. Raises InvalidInput."""
    try:
        person = people.look_up(session, word)
    except GovernanceError:
        person = None
    if person is None or person.slack_id is None:
        raise InvalidInput(
            f"Nobody here is {word!r}: give a Slack id, or the e-mail address that Slack knows.",
            field=field,
        )
    return person.id, person.slack_id


def _write(ctx: Context, sent: CaseSent, people_ids: dict[str, str], request_key: str) -> int:
    """Everything that was sent, step by step, in one transaction. What was sent before is left as it is."""
    case_id = service.propose(ctx, Propose(title=sent.title, request_key=request_key))
    record = reads.load_record(ctx, case_id)
    if record.step:
        return case_id
    at: dict[str, Any] = {"case_id": case_id, "revision": record.revision}
    steps: list[Step] = [
        KeepIdea(
            **at,
            title=sent.title,
            problem=sent.problem,
            affected=sent.affected,
            project=sent.project,
        ),
        KeepPeople(
            **at,
            owner_id=people_ids.get("owner"),
            sponsor_id=people_ids.get("sponsor"),
            business_unit=sent.business_unit,
            category=sent.category,
        ),
        KeepMeasure(
            **at,
            metric=sent.metric,
            baseline=sent.baseline,
            baseline_on=sent.baseline_on,
            target=sent.target,
        ),
        KeepFrame(**at, starts=sent.starts, months=sent.months, currency=sent.currency),
        KeepCertainty(
            **at,
            confidence=sent.confidence,
            feasibility=sent.feasibility,
            tier=sent.tier,
            waiver=sent.waiver,
        ),
    ]
    for form in steps:
        service.keep_step(ctx, form)
    for number, line in enumerate(sent.lines):
        _keep_line(ctx, at, line, number)
    if sent.reason:
        revision = reads.load_record(ctx, case_id).revision
        submission.submit_request(
            ctx,
            SubmitRequest(
                gate=CASE_APPROVAL.gate,
                subject_type=reads.TYPE,
                form=AskCase(case_id=case_id, revision=revision),
                reason=sent.reason,
                request_key=f"{request_key}:ask",
            ),
        )
    return case_id


def _keep_line(ctx: Context, at: dict[str, Any], line: LineSent, number: int) -> None:
    try:
        service.keep_line(ctx, CaseLine(**at, **line.model_dump()))
    except InvalidInput as error:
        field = f"lines.{number}.{error.field}" if error.field else f"lines.{number}"
        raise InvalidInput(f"Line {number + 1}: {error.sentence}", field=field) from None


def _tell(ctx: Context, case_id: int) -> CaseTold:
    record = reads.load_record(ctx, case_id)
    place = portfolio.find_place_of(ctx, record)
    content = record.content
    return CaseTold(
        id=record.id,
        title=record.title,
        state=record.state,
        project=record.project_key,
        owner=record.owner.name if record.owner else None,
        sponsor=record.sponsor.name if record.sponsor else None,
        business_unit=record.business_unit,
        category=record.category,
        starts=content.starts,
        months=content.months,
        currency=content.currency,
        worth=_tell_worth(record.outlook.likely) if record.outlook else None,
        place=place[0] if place else None,
        of=place[1] if place else None,
        missing=_list_missing(ctx, record),
        request=record.waits,
    )


def _list_missing(ctx: Context, record: CaseRecord) -> list[str]:
    if record.state not in (CaseState.DRAFT, CaseState.REJECTED):
        return []
    return [each.sentence for each in approval.list_missing(ctx, record.id)]


def _cents(amount: Decimal) -> str:
    return money_text(amount.quantize(rules.CENT))


def _tell_worth(worth: rules.Worth) -> WorthTold:
    return WorthTold(
        benefits=_cents(worth.benefits),
        costs=_cents(worth.costs),
        npv=_cents(worth.npv),
        multiple=_cents(worth.multiple) if worth.multiple is not None else None,
        payback_month=worth.payback,
    )


def _tell_ranked(ranked: Ranked) -> RankedTold:
    project = ranked.project
    return RankedTold(
        place=ranked.place,
        place_by_worth=ranked.by_worth,
        project=project.key,
        name=project.name,
        status=project.status,
        currency=project.currency,
        risk_adjusted=_cents(project.adjusted),
        worth=_tell_worth(project.worth),
        confidence=money_text(project.confidence),
        feasibility=money_text(project.feasibility),
        tier=project.tier,
    )
