"""The inventory for programs and for the command line: the same rules as in Slack, and Slack follows."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from bot.api.door import Caller, Door, needs
from bot.api.problems import describe_answers
from bot.api.uploads import Uploads, describe_form, require_json
from bot.context import Deps
from bot.inventory import acting, resources, uploads
from bot.inventory.reaching import UNBOUND, Reach, call_name, find_person_ids, with_refusals
from bot.inventory.resources import (
    CheckTold,
    EvidenceTold,
    FindingTold,
    ModelsTold,
    ModelTold,
    NewEvidence,
    NewFinding,
    NewModel,
    NewReading,
    NewStep,
    NewVersion,
    ReadingTold,
    StepTold,
    VersionTold,
)
from storage.enums import Scope
from workflows.errors import InvalidInput
from workflows.evidence import fairness
from workflows.evidence.forms import FAIRNESS, SubmitEvidence
from workflows.inventory import evidencing, findings, monitoring, reads, service, versions
from workflows.inventory.forms import (
    KEY,
    VERSION,
    AddVersion,
    FileFinding,
    RegisterModel,
    TakeStep,
    slug,
)
from workflows.sources.predictions import Columns

Key = Annotated[str, Path(pattern=KEY, description="The model's key.")]
Version = Annotated[str, Path(pattern=VERSION)]
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


def _show_model(at: Reach, session: Session, model_id: int) -> ModelTold:
    today = reads.today_of(at.deps.policy, at.deps.now(session))
    return resources.model(reads.load_model(session, model_id), today)


def _require_version(
    at: Reach, caller: Caller, key: str, version: str, type_: str | None = None
) -> None:
    """Refuse, before anything is taken in, what the caller may not hand in there."""
    with at.deps.db.read() as session:
        _, record = at.version(session, caller, Scope.MODELS, key, version)
        if type_ is not None:
            evidencing.require_may_hand_in(
                session, caller.actor, record.id, type_, policy=at.deps.policy
            )


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
    deps = at.deps
    name = call_name(caller, request, "evidence", key, version, sent)

    def work(session: Session) -> EvidenceTold:
        _, record = at.version(session, caller, Scope.MODELS, key, version)
        now = deps.now(session)
        id_ = evidencing.submit_evidence(
            session, caller.actor, record.id, handed(), name, policy=deps.policy, now=now
        )
        lacks = evidencing.check_version(session, record.id, policy=deps.policy, now=now)
        return EvidenceTold(id=id_, check=resources.check(lacks))

    return deps.db.run(with_refusals(work))


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
        with deps.db.read() as session:
            today = reads.today_of(deps.policy, deps.now(session))
            models, last = reads.list_page(
                session,
                caller.actor,
                q,
                only=caller.token.projects,
                after=after,
                most=limit,
                policy=deps.policy,
            )
        return ModelsTold(models=[resources.model(one, today) for one in models], next=last)

    @api.get("/{key}", responses=_TOLD_ERRORS, openapi_extra=_READS_ONLY)
    def show(key: Key, caller: Calls) -> ModelTold:
        """One model with its versions."""
        with deps.db.read() as session:
            model, _ = at.model(session, caller, Scope.MODELS_READ, key)
            return _show_model(at, session, model.id)

    @api.post("", status_code=201, responses=_TOLD_ERRORS, openapi_extra=_WRITES)
    def register(
        form: NewModel, caller: Calls, response: Response, key: IdempotencyKey = None
    ) -> ModelTold:
        """Register a model; one of that key that this caller registered before is answered as it stands."""
        door.require(caller, Scope.MODELS)
        door.require(caller, Scope.MODELS, project=form.project or UNBOUND)
        wanted = form.key or slug(form.name)
        at.confirm(caller, form.owner)

        def work(session: Session) -> ModelTold:
            now = deps.now(session)
            owner = find_person_ids(session, [form.owner], "owner") if form.owner else (None,)
            for upstream in form.upstream:
                reads.find_model(
                    session, caller.actor, upstream, only=caller.token.projects, policy=deps.policy
                )
            values = form.model_dump(exclude={"owner", "key"})
            request = RegisterModel.model_validate(
                {
                    **values,
                    "key": wanted,
                    "owner_id": owner[0],
                    "request_key": call_name(caller, key, "model", wanted),
                }
            )
            model_id = service.register_model(
                session,
                caller.actor,
                request,
                policy=deps.policy,
                now=now,
                org_key=deps.team.org_key,
            )
            return _show_model(at, session, model_id)

        response.headers["Location"] = f"/api/v1/models/{wanted}"
        return deps.db.run(with_refusals(work))


def _add_versions(api: APIRouter, at: Reach) -> None:
    deps = at.deps
    Calls = Annotated[Caller, Depends(at.door.caller)]

    @api.post("/{key}/versions", status_code=201, responses=_TOLD_ERRORS, openapi_extra=_WRITES)
    def add(key: Key, form: NewVersion, caller: Calls) -> VersionTold:
        """Add a version; the same version with the same digest again changes nothing."""
        at.confirm(caller, *form.developers, *form.contributors)

        def work(session: Session) -> VersionTold:
            model, _ = at.model(session, caller, Scope.MODELS, key)
            request = AddVersion(
                model_id=model.id,
                version=form.version,
                digest=form.digest,
                generative=form.generative,
                run_id=form.run_id,
                developers=find_person_ids(session, form.developers, "developers"),
                contributors=find_person_ids(session, form.contributors, "contributors"),
            )
            version_id = versions.add_version(
                session,
                caller.actor,
                request,
                policy=deps.policy,
                now=deps.now(session),
                org_key=deps.team.org_key,
            )
            return next(
                resources.version(one)
                for one in reads.load_model(session, model.id).versions
                if one.id == version_id
            )

        return deps.db.run(with_refusals(work))

    @api.get("/{key}/versions/{version}/check", responses=_TOLD_ERRORS, openapi_extra=_READS_ONLY)
    def check(key: Key, version: Version, caller: Calls) -> CheckTold:
        """What a version lacks for its next step."""
        with deps.db.read() as session:
            _, record = at.version(session, caller, Scope.MODELS_READ, key, version)
            return resources.check(
                evidencing.check_version(
                    session, record.id, policy=deps.policy, now=deps.now(session)
                )
            )


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
            form = await upload.read(uploads.EVIDENCE, None)

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
        asked = uploads.Counting(columns, "The file", least)
        async with taking.take(request, caller) as upload:
            counted = await upload.read(uploads.COUNT, asked)

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
        with deps.db.read() as session:
            model, record = at.version(session, caller, Scope.MODELS, key, version)
            validator = (
                find_person_ids(session, [form.validator], "validator")[0]
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
        sentence = acting.take_step(deps, caller.actor, taken, None)
        with deps.db.read() as session:
            now = next(
                each
                for each in reads.load_model(session, model.id).versions
                if each.id == record.id
            )
        return StepTold(said=sentence, version=resources.version(now))

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

        def work(session: Session) -> list[ReadingTold]:
            _, record = at.version(session, caller, Scope.MODELS, key, version)
            row = versions.lock_version(session, record.id)
            return [
                ReadingTold(
                    metric=each.metric,
                    is_breach=monitoring.take_reading(
                        session,
                        caller.actor,
                        row,
                        each,
                        policy=deps.policy,
                        now=deps.now(session),
                        org_key=deps.team.org_key,
                    ),
                )
                for each in form
            ]

        return deps.db.run(with_refusals(work))

    @api.post("/{key}/findings", status_code=201, responses=_TOLD_ERRORS, openapi_extra=_WRITES)
    def find(key: Key, form: NewFinding, caller: Calls) -> FindingTold:
        """File a finding."""
        at.confirm(caller, form.owner)

        def work(session: Session) -> FindingTold:
            model, record = at.model(session, caller, Scope.MODELS, key, form.version or "")
            request = FileFinding(
                model_id=model.id,
                version_id=record.id if record else None,
                words=form.words,
                severity=form.severity,
                owner_id=find_person_ids(session, [form.owner], "owner")[0] if form.owner else None,
                due=form.due,
            )
            return FindingTold(
                id=findings.file_finding(
                    session,
                    caller.actor,
                    request,
                    policy=deps.policy,
                    now=deps.now(session),
                    org_key=deps.team.org_key,
                )
            )

        return deps.db.run(with_refusals(work))
