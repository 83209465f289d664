"""The inventory for programs and for the command line: the same rules as in Slack, and Slack follows."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi import Path as fastapi_Path
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from sqlalchemy.orm import Session

from bot import freshness
from bot.deps import Deps
from bot.inventory import clicks, documents
from bot.web.api import describe_answers
from bot.web.authentication import Caller, Door, needs
from bot.web.uploads import Uploads, describe_form, require_json
from storage.enums import EuClass, ModelKind, ModelState, Part, Scope
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotFound, RefusalFact, first_fault
from workflows.evidence import fairness, service
from workflows.evidence.explanations import Explained
from workflows.evidence.fairness import Counts
from workflows.evidence.forms import FAIRNESS, CardText, Measure, SubmitEvidence, Watched
from workflows.inventory import evidence, findings, monitoring, reads, rules
from workflows.inventory import service as inventory_service
from workflows.inventory.forms import (
    KEY,
    VERSION,
    AddVersion,
    FileFinding,
    FindingFacts,
    GiveReading,
    Line,
    ModelFacts,
    RegisterModel,
    StepFacts,
    TakeStep,
    VersionFacts,
    VersionName,
    slug,
)
from workflows.inventory.forms import Words as Text
from workflows.inventory.records import Check, ModelRecord, VersionRecord
from workflows.packs import service as packs
from workflows.packs.records import Pack
from workflows.people import service as people
from workflows.people.records import PersonRecord
from workflows.sources import predictions
from workflows.sources.apart import Job
from workflows.sources.apart.work import json_of
from workflows.sources.predictions import Columns

# --- Models as programs see and send them

Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=254)]
"""A Slack id or an e-mail address."""


def _measure(value: object) -> object:
    return Measure.read(value) if isinstance(value, str) else value


def _watched(value: object) -> object:
    return Watched.read(value) if isinstance(value, str) else value


class Body(BaseModel):
    """Strict: an unknown field is a mistake that is told."""

    model_config = ConfigDict(extra="forbid")


class NewModel(ModelFacts):
    """A model for the inventory."""

    key: Annotated[str, Field(pattern=KEY)] | None = Field(
        default=None, description="What people type; made from the name when left out."
    )
    owner: Who | None = Field(
        default=None,
        description="Who answers for it: a Slack id or e-mail address. The project's owner when left out.",
    )
    data_sources: list[Line] = Field(default=[])
    upstream: list[Annotated[str, Field(pattern=KEY)]] = Field(default=[])


class NewVersion(VersionFacts):
    """A version of a model."""

    developers: list[Who] = Field(default=[], max_length=50)
    contributors: list[Who] = Field(default=[], max_length=100)


class NewEvidence(Body):
    """An item of evidence. Metrics may be written as text: `accuracy = 0.91 >= 0.85`."""

    type: str
    sha256: str | None = None
    uri: str | None = None
    summary: Text = ""
    metrics: list[Annotated[Measure, BeforeValidator(_measure)]] = Field(default=[], max_length=50)
    watched: list[Annotated[Watched, BeforeValidator(_watched)]] = Field(default=[], max_length=50)
    outcome: Literal["pass", "conditional", "fail"] | None = None
    fairness: Counts | None = Field(
        default=None,
        description="For a fairness report: how many people of each group were selected and not, rightly and wrongly. Groups only, never rows of people.",
    )
    card: CardText | None = Field(
        default=None, description="For a model card: its sections, as Markdown."
    )
    explained: Explained | None = Field(
        default=None,
        description="For an explainability report: what drives the answers, over all and in examples.",
    )
    valid_until: date | None = None

    def form(self) -> SubmitEvidence:
        """As the evidence keeps it. Raises ValidationError."""
        return SubmitEvidence.model_validate(self.model_dump(exclude_none=True))


class NewStep(StepFacts):
    """A step of a version: submit, return, pass, implement, deploy, change, suspend, resume, retire and so on."""

    step: Annotated[str, Field(pattern=r"^[a-z_]{2,30}$")]
    validator: Who | None = None
    revision: int | None = Field(
        default=None, ge=1, description="The revision that was seen; the present one when left out."
    )


class NewReading(GiveReading):
    """A value of a measure of the monitoring plan."""


class NewFinding(FindingFacts):
    """Something wrong."""

    version: VersionName | None = None
    owner: Who | None = None


class VersionTold(BaseModel):
    """A version as it stands."""

    version: str
    state: ModelState
    since: datetime
    digest: str | None
    approval: int | None
    approved_until: datetime | None
    developers: list[str]
    validators: list[str]
    steps: list[str] = Field(description="The steps that lead on from here, whoever takes them.")
    revision: int


class ModelTold(BaseModel):
    """A model as it stands."""

    key: str
    name: str
    kind: ModelKind
    vendor: str | None
    project: str | None
    owner: str | None
    purpose: str
    state: ModelState
    tier: int | None
    eu_class: EuClass | None
    next_review: date | None
    open_findings: int
    upstream: list[str]
    downstream: list[str]
    versions: list[VersionTold]


class ModelsTold(BaseModel):
    """Models by name; `next` is where to go on, where there are more."""

    models: list[ModelTold]
    next: str | None


class StepLacks(BaseModel):
    """A step from where a version stands, and what bars it: the step itself is refused by the same list."""

    step: str
    label: str
    missing: list[str]
    asks: list[str]
    """What whoever takes it says with it."""


class CheckTold(BaseModel):
    """What a version lacks for its next step, and for every other."""

    model: str
    version: str
    state: ModelState
    tier: int | None
    next_step: str
    is_complete: bool
    missing: list[str]
    steps: list[StepLacks]
    waived: list[str]
    open_findings: int
    approval: int | None


class StepTold(BaseModel):
    """What came of a step."""

    said: str
    version: VersionTold


class ReadingTold(BaseModel):
    """A reading that was kept, and whether it is a breach."""

    metric: str
    is_breach: bool


class FindingTold(BaseModel):
    """A finding that was filed."""

    id: int


class EvidenceTold(BaseModel):
    """An item that was kept."""

    id: int
    check: CheckTold


def describe_version(record: VersionRecord) -> VersionTold:
    """A version for programs."""
    return VersionTold(
        version=record.version,
        state=record.state,
        since=record.since,
        digest=f"sha256:{record.digest}" if record.digest else None,
        approval=record.approval_id,
        approved_until=record.approved_until,
        developers=[one.name for one in record.named(Part.DEVELOPER)],
        validators=[one.name for one in record.named(Part.VALIDATOR)],
        steps=[move.verb for move in rules.list_moves(record.state)],
        revision=record.revision,
    )


def model(record: ModelRecord, today: date) -> ModelTold:
    """A model for programs."""
    return ModelTold(
        key=record.key,
        name=record.name,
        kind=record.kind,
        vendor=record.vendor,
        project=record.project_key,
        owner=record.owner.name if record.owner else None,
        purpose=record.purpose,
        state=record.state,
        tier=record.tier,
        eu_class=record.eu_class,
        next_review=record.next_review,
        open_findings=sum(one.is_open(today) for one in record.findings),
        upstream=list(record.upstream),
        downstream=list(record.downstream),
        versions=[describe_version(one) for one in record.versions],
    )


def describe_check(record: Check) -> CheckTold:
    """A check for programs."""
    return CheckTold(
        model=record.model,
        version=record.version,
        state=record.state,
        tier=record.tier,
        next_step=record.next_step,
        is_complete=record.is_complete,
        missing=list(record.missing),
        steps=[
            StepLacks(
                step=one.verb, label=one.label, missing=list(one.missing), asks=list(one.asks)
            )
            for one in record.steps
        ],
        waived=list(record.waived),
        open_findings=record.findings,
        approval=record.approval_id,
    )


# --- What the endpoints of models share
#
# the model or version that a call names, when its token is for it.

T = TypeVar("T")
UNBOUND = "-"
"""Stands for the project of a model that has none: no bound token is for it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Finds what a call is about. Raises NotFound and NotAllowed."""

    deps: Deps
    door: Door

    def model(
        self, ctx: Context, caller: Caller, scope: Scope, key: str, version: str = ""
    ) -> tuple[ModelRecord, VersionRecord | None]:
        """A model, and one of its versions where that is named."""
        self.door.require(caller, scope)
        word = f"{key}:{version}" if version else key
        bounds = caller.token.projects
        try:
            return reads.find_model(ctx, word, only=bounds)
        except NotFound as unknown:
            if bounds and _is_model(ctx, key):
                # It is told like what is not there; the try goes on the ledger, after this transaction.
                prefix = caller.token.prefix
                unknown.audit = RefusalFact("token", "token", prefix, why="project")
            raise

    def confirm(self, caller: Caller, *words: str | None) -> None:
        """Slack's word on the people whom a call names is fresh, where mlgov knows them. For before its transaction.

        Raises CannotVerify.
        """
        with self.deps.db.read() as session:
            named = {
                known.slack_id
                for word in words
                if word and (known := _find_person(session, word)) and known.slack_id
            }
        freshness.confirm_named(self.deps, caller.actor, named)

    def version(
        self, ctx: Context, caller: Caller, scope: Scope, key: str, version: str
    ) -> tuple[ModelRecord, VersionRecord]:
        """A version of a model."""
        model, record = self.model(ctx, caller, scope, key, version)
        if record is None:
            raise NotFound(f"{model.name} has no version {version!r}.")
        return model, record

    def act(self, caller: Caller, work: Callable[[Context], T]) -> T:
        """Do it as the caller, in one transaction; what a form refuses is a refusal of the API."""
        try:
            return self.deps.act(caller.actor, work)
        except ValidationError as error:
            place, sentence = first_fault(error)
            raise InvalidInput(sentence, field=place or None) from None


def _is_model(ctx: Context, key: str) -> bool:
    """Whether the caller sees such a model, be it beyond the bounds of their token."""
    try:
        reads.find_model(ctx, key)
    except NotFound:
        return False
    return True


def _find_person(session: Session, word: str) -> PersonRecord | None:
    try:
        return people.look_up(session, word)
    except NotFound:
        return None


def find_person_ids(session: Session, words: Sequence[str], field: str) -> tuple[str, ...]:
    """Person ids of Slack ids or e-mail addresses. Raises InvalidInput for nobody here."""
    person_ids = []
    for word in words:
        try:
            person_ids.append(people.look_up(session, word).id)
        except GovernanceError:
            raise InvalidInput(
                f"Nobody here is {word!r}: give a Slack id, or the e-mail address that Slack knows.",
                field=field,
            ) from None
    return tuple(person_ids)


def call_name(caller: Caller, key: str | None, *parts: str) -> str:
    """The name of a call, which the same caller's repetition shares."""
    whole = "\n".join(parts if key is None else (key,))
    return f"api:{caller.actor.id}:{hashlib.sha256(whole.encode()).hexdigest()}"


# --- What is sent about models, and read apart from whoever answers people
#
# evidence, predictions, files shared in Slack.


def _evidence(path: Path, _asked: None) -> NewEvidence:
    form = NewEvidence.model_validate(json_of(path))
    try:
        form.form()
    except ValidationError as error:
        place, sentence = first_fault(error)
        raise InvalidInput(sentence, field=place or None) from None
    return form


EVIDENCE = Job(
    "bot.inventory.api:EVIDENCE", _evidence, TypeAdapter(type(None)), TypeAdapter(NewEvidence)
)
"""The body of a call that hands in evidence."""


@dataclass(frozen=True, slots=True)
class Counting:
    """Which columns of predictions say what, what people call the file, and how few people make no group."""

    columns: Columns
    name: str
    least: int


def _count(path: Path, asked: Counting) -> Counts:
    cells = predictions.read(path, asked.columns, name=asked.name, is_sent=True)
    return fairness.count_groups(cells, asked.least)


COUNT = Job("bot.inventory.api:COUNT", _count, TypeAdapter(Counting), TypeAdapter(Counts))
"""A file of predictions; no row of a person comes back."""


def _understand(path: Path, name: str) -> dict[str, Any]:
    return service.read_content(name, path.read_bytes())


UNDERSTAND = Job(
    "bot.inventory.api:UNDERSTAND", _understand, TypeAdapter(str), TypeAdapter(dict[str, Any])
)
"""A file that somebody shared: what it says as evidence, nothing for any other document."""


# --- Documents of a version for programs and the command line
#
# its model card, and its approval pack.

Key = Annotated[str, fastapi_Path(pattern=KEY, description="The model's key.")]
Version = Annotated[str, fastapi_Path(pattern=VERSION)]
_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}


def papers_router(deps: Deps, door: Door) -> APIRouter:
    """The endpoints for documents under /models."""
    api = APIRouter(prefix="/models", tags=["models"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]
    told_errors = describe_answers(400, 401, 403, 404, 422, 429)
    at = Reach(deps, door)

    @api.get(
        "/{key}/versions/{version}/card",
        response_class=Response,
        responses={
            **told_errors,
            200: {
                "content": {
                    "text/html": {"schema": {"type": "string"}},
                    "text/markdown": {"schema": {"type": "string"}},
                }
            },
        },
    )
    def card(
        key: Key,
        version: Version,
        caller: Calls,
        format: Annotated[
            Literal["html", "markdown"], Query(description="How it is written.")
        ] = "html",
    ) -> Response:
        """The model card, made from the record; what is missing is shown as missing."""
        with deps.begin_read(caller.actor) as ctx:
            model, record = at.version(ctx, caller, Scope.MODELS_READ, key, version)
            today = reads.today_of(ctx.policy, ctx.now)
            version_card = reads.load_card(ctx, model.id, record.id)
        built = evidence.build_card(version_card, deps.policy, today)
        organisation = deps.policy.organisation.name
        if format == "markdown":
            return PlainTextResponse(
                documents.card_markdown(built, organisation=organisation, today=today),
                media_type="text/markdown",
            )
        return HTMLResponse(documents.card_html(built, organisation=organisation, today=today))

    def packed(caller: Caller, key: str, version: str) -> Pack:
        with deps.begin_read(caller.actor) as ctx:
            _, record = at.version(ctx, caller, Scope.MODELS_READ, key, version)
            return packs.make_pack(ctx, record.id)

    @api.get("/{key}/versions/{version}/pack", responses=told_errors)
    def pack(key: Key, version: Version, caller: Calls) -> Pack:
        """Everything that an auditor asks about a version: evidence, decisions, policy text, findings, ledger entries."""
        return packed(caller, key, version)

    @api.get(
        "/{key}/versions/{version}/pack.html",
        response_class=HTMLResponse,
        responses={**told_errors, 200: _PAGE},
    )
    def pack_page(key: Key, version: Version, caller: Calls) -> HTMLResponse:
        """The same as a page that stands alone, with its JSON inside."""
        return HTMLResponse(documents.pack_html(packed(caller, key, version)))

    return api


# --- The inventory for programs and for the command line
#
# the same rules as in Slack, and Slack follows.

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$", description="Names this call: the same again changes nothing."),
]  # fmt: skip


_TOLD_ERRORS = describe_answers(400, 401, 403, 404, 408, 409, 413, 422, 429, 503)
_WRITES, _READS_ONLY = needs(Scope.MODELS), needs(Scope.MODELS_READ)


def router(deps: Deps, door: Door, taking: Uploads) -> APIRouter:
    """The endpoints under /models."""
    api = APIRouter(prefix="/models", tags=["models"], route_class=door.route)
    at = Reach(deps, door)
    _add_models(api, at)
    _add_versions(api, at)
    _add_evidence(api, at, taking)
    _add_life(api, at)
    return api


def _show_model(ctx: Context, model_id: int) -> ModelTold:
    today = reads.today_of(ctx.policy, ctx.now)
    return model(reads.load_model(ctx.session, model_id), today)


def _require_version(
    at: Reach, caller: Caller, key: str, version: str, type_: str | None = None
) -> None:
    """Refuse, before anything is taken in, what the caller may not hand in there."""
    with at.deps.begin_read(caller.actor) as ctx:
        _, record = at.version(ctx, caller, Scope.MODELS, key, version)
        if type_ is not None:
            evidence.require_may_hand_in(ctx, record.id, type_)


def _hand_in(
    at: Reach,
    caller: Caller,
    key: str,
    version: str,
    handed: Callable[[], SubmitEvidence],
    sent: str,
    request: str | None = None,
) -> EvidenceTold:
    """Hand in what is `handed` over, which may refuse.

    `sent` is what the call said, `request` its name, by which the same again changes nothing.
    """
    name = call_name(caller, request, "evidence", key, version, sent)

    def work(ctx: Context) -> EvidenceTold:
        _, record = at.version(ctx, caller, Scope.MODELS, key, version)
        id_ = evidence.submit_evidence(ctx, record.id, handed(), name)
        lacks = evidence.check_version(ctx.as_system(), record.id)
        return EvidenceTold(id=id_, check=describe_check(lacks))

    return at.act(caller, work)


def _add_models(api: APIRouter, at: Reach) -> None:
    deps = at.deps
    door = at.door
    Calls = Annotated[Caller, Depends(door.caller)]

    @api.get("", responses=describe_answers(400, 401, 403, 422, 429), openapi_extra=_READS_ONLY)
    def list_(
        caller: Calls,
        q: Annotated[
            str, Query(max_length=80, description="Words of name, vendor, technique or owner.")
        ] = "",
        after: Annotated[
            str | None, Query(pattern=KEY, description="The key in `next`, to go on.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> ModelsTold:
        """The models in the caller's sight, by name."""
        door.require(caller, Scope.MODELS_READ)
        with deps.begin_read(caller.actor) as ctx:
            today = reads.today_of(deps.policy, ctx.now)
            models, last = reads.list_page(
                ctx, q, only=caller.token.projects, after=after, most=limit
            )
        return ModelsTold(models=[model(one, today) for one in models], next=last)

    @api.get("/{key}", responses=_TOLD_ERRORS, openapi_extra=_READS_ONLY)
    def show(key: Key, caller: Calls) -> ModelTold:
        """One model with its versions."""
        with deps.begin_read(caller.actor) as ctx:
            model, _ = at.model(ctx, caller, Scope.MODELS_READ, key)
            return _show_model(ctx, model.id)

    @api.post("", status_code=201, responses=_TOLD_ERRORS, openapi_extra=_WRITES)
    def register(
        form: NewModel, caller: Calls, response: Response, key: IdempotencyKey = None
    ) -> ModelTold:
        """Register a model; one of that key that this caller registered before is answered as it stands."""
        door.require(caller, Scope.MODELS)
        door.require(caller, Scope.MODELS, project=form.project or UNBOUND)
        wanted = form.key or slug(form.name)
        at.confirm(caller, form.owner)

        def work(ctx: Context) -> ModelTold:
            owner = find_person_ids(ctx.session, [form.owner], "owner") if form.owner else (None,)
            for upstream in form.upstream:
                reads.find_model(ctx, upstream, only=caller.token.projects)
            values = form.model_dump(exclude={"owner", "key"})
            request = RegisterModel.model_validate(
                {
                    **values,
                    "key": wanted,
                    "owner_id": owner[0],
                    "request_key": call_name(caller, key, "model", wanted),
                }
            )
            return _show_model(ctx, inventory_service.register_model(ctx, request))

        response.headers["Location"] = f"/api/v1/models/{wanted}"
        return at.act(caller, work)


def _add_versions(api: APIRouter, at: Reach) -> None:
    deps = at.deps
    Calls = Annotated[Caller, Depends(at.door.caller)]

    @api.post("/{key}/versions", status_code=201, responses=_TOLD_ERRORS, openapi_extra=_WRITES)
    def add(key: Key, form: NewVersion, caller: Calls) -> VersionTold:
        """Add a version; the same version with the same digest again changes nothing."""
        at.confirm(caller, *form.developers, *form.contributors)

        def work(ctx: Context) -> VersionTold:
            model, _ = at.model(ctx, caller, Scope.MODELS, key)
            request = AddVersion(
                model_id=model.id,
                version=form.version,
                digest=form.digest,
                generative=form.generative,
                run_id=form.run_id,
                developers=find_person_ids(ctx.session, form.developers, "developers"),
                contributors=find_person_ids(ctx.session, form.contributors, "contributors"),
            )
            version_id = inventory_service.add_version(ctx, request)
            return next(
                describe_version(one)
                for one in reads.load_model(ctx.session, model.id).versions
                if one.id == version_id
            )

        return at.act(caller, work)

    @api.get("/{key}/versions/{version}/check", responses=_TOLD_ERRORS, openapi_extra=_READS_ONLY)
    def check(key: Key, version: Version, caller: Calls) -> CheckTold:
        """What a version lacks for its next step."""
        with deps.begin_read(caller.actor) as ctx:
            _, record = at.version(ctx, caller, Scope.MODELS_READ, key, version)
            return describe_check(evidence.check_version(ctx.as_system(), record.id))


def _add_evidence(api: APIRouter, at: Reach, taking: Uploads) -> None:
    deps = at.deps
    Calls = Annotated[Caller, Depends(at.door.caller)]

    @api.post(
        "/{key}/versions/{version}/evidence",
        status_code=201,
        responses=_TOLD_ERRORS,
        openapi_extra=_WRITES | describe_form(NewEvidence),
    )
    async def hand_in(
        key: Key, version: Version, caller: Calls, request: Request, name: IdempotencyKey = None
    ) -> EvidenceTold:
        """Hand in evidence; the same content again changes nothing."""
        require_json(request)
        await run_in_threadpool(_require_version, at, caller, key, version)
        async with taking.take(request, caller) as upload:
            form = await upload.read(EVIDENCE, None)

            def keep() -> EvidenceTold:
                if form.fairness is not None:
                    fairness.load_metrics()
                sent = form.model_dump_json()
                return _hand_in(at, caller, key, version, form.form, sent, name)

            return await upload.work(keep)

    @api.post(
        "/{key}/versions/{version}/predictions",
        status_code=201,
        responses=_TOLD_ERRORS,
        openapi_extra=_WRITES
        | {
            "requestBody": {
                "required": True,
                "content": {
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                },
            }
        },
    )
    async def compare(
        key: Key,
        version: Version,
        caller: Calls,
        request: Request,
        truth: Annotated[str, Query(max_length=120, description="The column with what was true.")],
        prediction: Annotated[
            str, Query(max_length=120, description="The column with what the model said.")
        ],
        group: Annotated[
            list[str],
            Query(
                min_length=1,
                max_length=4,
                description="A column of groups, like sex; several are crossed as well.",
            ),
        ],
        positive: Annotated[
            str | None, Query(max_length=60, description="The word that means yes.")
        ] = None,
        threshold: Annotated[
            float | None, Query(allow_inf_nan=False, description="From which a score means yes.")
        ] = None,
    ) -> EvidenceTold:
        """Hand in a fairness report computed from predictions (CSV or Parquet). Only counts of groups are kept of the file."""
        columns = Columns(truth, prediction, tuple(group), positive, threshold)
        await run_in_threadpool(_require_version, at, caller, key, version, FAIRNESS)
        least = deps.policy.evidence.fairness.least
        asked = Counting(columns, "The file", least)
        async with taking.take(request, caller) as upload:
            counted = await upload.read(COUNT, asked)

            def keep() -> EvidenceTold:
                fairness.load_metrics()
                form = SubmitEvidence(type=FAIRNESS, fairness=counted)
                sent = form.model_dump_json()
                return _hand_in(at, caller, key, version, lambda: form, sent)

            return await upload.work(keep)


def _add_life(api: APIRouter, at: Reach) -> None:
    deps = at.deps
    Calls = Annotated[Caller, Depends(at.door.caller)]

    @api.post("/{key}/versions/{version}/steps", responses=_TOLD_ERRORS, openapi_extra=_WRITES)
    def step(
        key: Key, version: Version, form: NewStep, caller: Calls, request: IdempotencyKey = None
    ) -> StepTold:
        """Take a step; `pass` asks for approval. Steps belong to people: a program's token suspends and moves nothing."""
        at.confirm(caller, form.validator)
        with deps.begin_read(caller.actor) as ctx:
            model, record = at.version(ctx, caller, Scope.MODELS, key, version)
            validator = (
                find_person_ids(ctx.session, [form.validator], "validator")[0]
                if form.validator
                else None
            )
        revision = form.revision or record.revision
        taken = TakeStep(
            version_id=record.id,
            revision=revision,
            verb=form.step,
            reason=form.reason,
            validator_id=validator,
            change_class=form.change_class,
            new_version=form.new_version,
            request_key=call_name(caller, request, "step", key, version, form.step, str(revision)),
        )
        sentence = deps.act(caller.actor, clicks.take_step, taken)
        with deps.db.read() as session:
            now = next(
                each
                for each in reads.load_model(session, model.id).versions
                if each.id == record.id
            )
        return StepTold(said=sentence, version=describe_version(now))

    @api.post(
        "/{key}/versions/{version}/readings",
        status_code=201,
        responses=_TOLD_ERRORS,
        openapi_extra=_WRITES,
    )
    def read(
        key: Key, version: Version, form: list[NewReading], caller: Calls
    ) -> list[ReadingTold]:
        """Give readings of what is watched in use; all of them are kept, or none."""
        if len(form) > 500:
            raise InvalidInput("At most 500 readings in one call.")

        def work(ctx: Context) -> list[ReadingTold]:
            _, record = at.version(ctx, caller, Scope.MODELS, key, version)
            row = inventory_service.lock_version(ctx.session, record.id)
            return [
                ReadingTold(metric=each.metric, is_breach=monitoring.take_reading(ctx, row, each))
                for each in form
            ]

        return at.act(caller, work)

    @api.post("/{key}/findings", status_code=201, responses=_TOLD_ERRORS, openapi_extra=_WRITES)
    def find(key: Key, form: NewFinding, caller: Calls) -> FindingTold:
        """File a finding."""
        at.confirm(caller, form.owner)

        def work(ctx: Context) -> FindingTold:
            model, record = at.model(ctx, caller, Scope.MODELS, key, form.version or "")
            request = FileFinding(
                model_id=model.id,
                version_id=record.id if record else None,
                words=form.words,
                severity=form.severity,
                owner_id=find_person_ids(ctx.session, [form.owner], "owner")[0]
                if form.owner
                else None,
                due=form.due,
            )
            return FindingTold(id=findings.file_finding(ctx, request))

        return at.act(caller, work)
