"""The windows of models, sent: what was entered becomes a change, or a sentence under its field."""

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bot.context import Deps
from bot.inventory import acting, figures, sharing, views, windows
from bot.inventory.acting import At
from bot.replies import FieldErrors, Reply, Show
from bot.requests import Submission
from bot.router import Router
from storage.enums import EuClass, Exposure, ModelKind, PurposeClass
from workflows.actors import Actor
from workflows.errors import InvalidInput, first_fault
from workflows.evidence import fairness
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.inventory import (
    evidencing,
    findings,
    reads,
    reviews,
    service,
    versions,
)
from workflows.inventory.forms import (
    AddVersion,
    AssessTier,
    FileFinding,
    Generative,
    RegisterModel,
    SettleFinding,
    TakeStep,
    slug,
)
from workflows.people import service as people


def register(router: Router) -> None:
    """Answer the windows."""
    for callback, handler in (
        (windows.SUBMIT_REGISTER, new),
        (windows.SUBMIT_DESCRIBE, describe),
        (windows.SUBMIT_ASSESS, assess),
        (windows.SUBMIT_VERSION, version),
        (windows.SUBMIT_STEP, step),
        (windows.SUBMIT_EVIDENCE, evidence),
        (windows.SUBMIT_LOOK, look),
        (windows.SUBMIT_WAIVE, waive),
        (windows.SUBMIT_FINDING, finding),
        (windows.SUBMIT_SETTLE, settle),
        (windows.SUBMIT_REVIEW, review),
        (windows.SUBMIT_CLASSIFY, classify),
    ):
        router.submission(callback, _told(handler))


def details(
    deps: Deps, actor: Actor, model_id: int, version_id: int | None, said: str = ""
) -> Show:
    """The window with everything about a model; `said` is what just happened."""
    found, spend = acting.look(deps, actor, model_id, version_id)
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    seen, _ = acting.prefilled(deps, found)
    drawn = figures.pictures(found.evidence.values())
    return Show(
        views.details(
            found, deps.policy, today, drawn, spend=spend, said=said, seen=seen
        ),
        tuple(drawn.values()),
    )


def _told(handler: Callable[[Submission], Reply]) -> Callable[[Submission], Reply]:
    """What a form refuses stands under its field, where it names one that the window has."""

    def answer(submission: Submission) -> Reply:
        try:
            return handler(submission)
        except ValidationError as error:
            place, sentence = first_fault(error)
            return FieldErrors({_field(submission, place.partition(".")[0]): sentence})

    return answer


_PLACES = {
    "key": windows.NAME,
    "words": windows.WORD,
    "generative": windows.BASE,
    "watched": windows.METRICS,
    "model": windows.BASE,
    "": windows.SUMMARY,
}


def _field(submission: Submission, place: str) -> str:
    """The block of a field, or the last one of the window for what stands in none."""
    ids = [
        one["block_id"] for one in submission.view["blocks"] if one["type"] == "input"
    ]
    wanted = _PLACES.get(place, place)
    return wanted if wanted in ids else ids[-1]


def text(submission: Submission, block: str) -> str:
    """What was typed into a field."""
    return str(submission.values.get(block) or "").strip()


def _listed(submission: Submission, block: str) -> tuple[str, ...]:
    return tuple(
        one.strip() for one in text(submission, block).split(",") if one.strip()
    )


def _day(submission: Submission, block: str) -> date | None:
    value = submission.values.get(block)
    return date.fromisoformat(value) if value else None


def _person(session: Session, submission: Submission, block: str) -> str | None:
    """The person id of who was picked."""
    picked = submission.values.get(block)
    if not picked:
        return None
    found = people.find_by_slack_id(session, submission.deps.team.org_key, str(picked))
    if found is None:
        raise InvalidInput(
            "Choose somebody else: mlgov does not know that person.", field=block
        )
    return found.id


def _done(submission: Submission, at: At, said: str) -> Reply:
    return details(submission.deps, submission.actor, at.model_id, at.version_id, said)


def _run(submission: Submission, work: Callable[[Session], Any]) -> Any:
    return submission.deps.db.run(work)


# --- the entry


def new(submission: Submission) -> Reply:
    """A model for the inventory, assessed at once where that was said."""
    deps = submission.deps
    name = text(submission, windows.NAME)

    def work(session: Session) -> int:
        form = RegisterModel(
            key=slug(name),
            name=name,
            kind=ModelKind(submission.values[windows.KIND]),
            vendor=text(submission, windows.VENDOR) or None,
            project=submission.values.get(windows.PROJECT),
            owner_id=_person(session, submission, windows.OWNER),
            purpose=text(submission, windows.PURPOSE),
            exposure=submission.values.get(windows.EXPOSURE),
            purpose_class=submission.values.get(windows.USE),
            eu_class=submission.values.get(windows.EU),
            request_key=submission.key,
        )
        return service.register(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
        )

    model_id = _run(submission, work)
    return _done(submission, At("", model_id, 0, None, 0), "Registered.")


def _assessment(submission: Submission, model_id: int, revision: int) -> AssessTier:
    other = submission.values.get(windows.TIER)
    return AssessTier(
        model_id=model_id,
        revision=revision,
        exposure=Exposure(submission.values[windows.EXPOSURE]),
        purpose_class=PurposeClass(submission.values[windows.USE]),
        eu_class=EuClass(submission.values[windows.EU]),
        override=int(other) if other else None,
        reason=text(submission, windows.REASON),
    )


def describe(submission: Submission) -> Reply:
    """What describes a model, anew."""
    deps, at = submission.deps, At.read(submission.metadata)

    def work(session: Session) -> None:
        model = reads.one(session, at.model_id)
        form = RegisterModel(
            key=model.key,
            name=text(submission, windows.NAME),
            kind=ModelKind(submission.values[windows.KIND]),
            vendor=text(submission, windows.VENDOR) or None,
            project=submission.values.get(windows.PROJECT),
            owner_id=_person(session, submission, windows.OWNER),
            purpose=text(submission, windows.PURPOSE),
            intended_use=text(submission, windows.INTENDED),
            out_of_scope=text(submission, windows.SCOPE),
            technique=text(submission, windows.TECHNIQUE),
            data_sources=_listed(submission, windows.DATA),
            affects_people=submission.values.get(windows.PEOPLE) == "yes",
            upstream=tuple(submission.values.get(windows.UPSTREAM) or ()),
            request_key=submission.key,
        )
        service.edit(
            session,
            submission.actor,
            at.model_id,
            at.model_revision,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=acting.clicked_of(submission.metadata),
        )

    _run(submission, work)
    return _done(submission, at, "Kept.")


def assess(submission: Submission) -> Reply:
    """How material it is."""
    deps, at = submission.deps, At.read(submission.metadata)
    form = _assessment(submission, at.model_id, at.model_revision)
    tier = _run(
        submission,
        lambda session: service.assess(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return _done(submission, at, f"It is tier {tier}.")


def version(submission: Submission) -> Reply:
    """A version, in development."""
    deps, at = submission.deps, At.read(submission.metadata)
    prompt = text(submission, windows.PROMPT)
    base = text(submission, windows.BASE)

    def work(session: Session) -> int:
        maker = _person(session, submission, windows.DEVELOPER)
        form = AddVersion(
            model_id=at.model_id,
            version=text(submission, windows.VERSION),
            digest=text(submission, windows.DIGEST).lower() or None,
            generative=Generative(
                model=base,
                prompt_sha256=hashlib.sha256(prompt.encode()).hexdigest()
                if prompt
                else None,
                tools=_listed(submission, windows.TOOLS),
            )
            if base
            else None,
            developers=(maker,) if maker else (),
        )
        return versions.add_version(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=acting.clicked_of(submission.metadata),
        )

    version_id = _run(submission, work)
    return details(
        deps, submission.actor, at.model_id, version_id, "It is in development."
    )


def classify(submission: Submission) -> Reply:
    """It is no model, or one after all."""
    deps, at = submission.deps, At.read(submission.metadata)
    is_model = submission.metadata.rsplit(":", 1)[-1] == "1"
    _run(
        submission,
        lambda session: service.say_what_it_is(
            session,
            submission.actor,
            at.model_id,
            at.model_revision,
            is_model=is_model,
            reason=text(submission, windows.REASON),
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return _done(submission, at, "Kept.")


# --- its life


def step(submission: Submission) -> Reply:
    """A step, or the request that it is."""
    deps, at = submission.deps, At.read(submission.metadata)
    with deps.db.read() as session:
        validator = _person(session, submission, windows.VALIDATOR)
    form = TakeStep.model_validate(
        {
            "version_id": at.version_id or 0,
            "revision": at.version_revision,
            "verb": at.verb,
            "reason": text(submission, windows.REASON),
            "validator_id": validator,
            "change_class": submission.values.get(windows.CHANGE),
            "new_version": text(submission, windows.NEW) or None,
            "request_key": submission.key,
        }
    )
    said = acting.take_step(
        deps, submission.actor, form, acting.clicked_of(submission.metadata)
    )
    return _done(submission, at, said)


def evidence(submission: Submission) -> Reply:
    """An item of evidence."""
    deps, at = submission.deps, At.read(submission.metadata)
    type_ = str(submission.values.get(windows.TYPE) or "")
    lines = [
        one for one in text(submission, windows.METRICS).splitlines() if one.strip()
    ]
    try:
        is_plan = type_ == "monitoring_plan"
        watched = tuple(Watched.read(one) for one in lines) if is_plan else ()
        measured = () if is_plan else tuple(Measure.read(one) for one in lines)
    except ArithmeticError:
        return FieldErrors({windows.METRICS: "A number in there is not written right."})
    except ValueError as error:
        words = (
            str(error)
            if not isinstance(error, ValidationError)
            else str(error.errors()[0]["msg"])
        )
        return FieldErrors({windows.METRICS: f"{words[:1].upper()}{words[1:]}."})
    link = text(submission, windows.URI)
    form = SubmitEvidence.model_validate(
        {
            "type": type_,
            **sharing.taken(submission, type_),
            **({"uri": link} if link else {}),
            "summary": text(submission, windows.SUMMARY),
            "metrics": measured,
            "watched": watched,
            "outcome": submission.values.get(windows.OUTCOME),
            "valid_until": _day(submission, windows.UNTIL),
        }
    )
    if form.fairness is not None:
        fairness.ready()
    _run(
        submission,
        lambda session: evidencing.submit(
            session,
            submission.actor,
            at.version_id or 0,
            form,
            submission.key,
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return _done(submission, at, f"Handed in: {deps.policy.evidence.words(type_)}.")


def look(submission: Submission) -> Reply:
    """Evidence accepted or rejected, all that was ticked at once."""
    deps, at = submission.deps, At.read(submission.metadata)
    ticked = [
        block
        for block, value in submission.values.items()
        if block.startswith(f"{windows.PICK}:") and value
    ]
    if not ticked:
        first = next(
            one["block_id"]
            for one in submission.view["blocks"]
            if one.get("block_id", "").startswith(f"{windows.PICK}:")
        )
        return FieldErrors({first: "Tick what you looked at, or close the window."})
    chosen = [(int(one.split(":")[1]), int(one.split(":")[2])) for one in ticked]
    accept = submission.values.get(windows.VERDICT) != "reject"
    _run(
        submission,
        lambda session: evidencing.decide(
            session,
            submission.actor,
            chosen,
            accept=accept,
            word=text(submission, windows.WORD),
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    many = f"{len(chosen)} item{'s' if len(chosen) != 1 else ''}"
    return _done(submission, at, f"{many} {'accepted' if accept else 'rejected'}.")


def waive(submission: Submission) -> Reply:
    """A waiver, with its end."""
    deps, at = submission.deps, At.read(submission.metadata)
    until = _day(submission, windows.UNTIL)
    if until is None:
        return FieldErrors({windows.UNTIL: "Choose a day."})
    _run(
        submission,
        lambda session: evidencing.waive(
            session,
            submission.actor,
            at.version_id or 0,
            str(submission.values[windows.TYPE]),
            reason=text(submission, windows.REASON),
            until=until,
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return _done(submission, at, "Waived; it is shown as waived, with your name.")


# --- findings and reviews


def finding(submission: Submission) -> Reply:
    """Something wrong."""
    deps, at = submission.deps, At.read(submission.metadata)

    def work(session: Session) -> int:
        form = FileFinding.model_validate(
            {
                "model_id": at.model_id,
                "version_id": at.version_id,
                "words": text(submission, windows.WORD),
                "severity": submission.values[windows.SEVERITY],
                "owner_id": _person(session, submission, windows.OWNER),
                "due": _day(submission, windows.DUE),
            }
        )
        return findings.file(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=acting.clicked_of(submission.metadata),
        )

    _run(submission, work)
    return _done(submission, at, "Filed. Who mends it is told.")


def settle(submission: Submission) -> Reply:
    """What becomes of a finding."""
    deps, at = submission.deps, At.read(submission.metadata)
    form = SettleFinding.model_validate(
        {
            "finding_id": at.version_revision,
            "revision": at.model_revision,
            "how": submission.values.get(windows.HOW) or "progress",
            "word": text(submission, windows.WORD),
            "until": _day(submission, windows.UNTIL),
        }
    )
    said = _run(
        submission,
        lambda session: findings.settle(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return _done(submission, At("", at.model_id, 0, None, 0), said)


def review(submission: Submission) -> Reply:
    """A review that was done."""
    deps, at = submission.deps, At.read(submission.metadata)
    due = date.fromisoformat(submission.metadata.rsplit(":", 1)[-1])
    said = _run(
        submission,
        lambda session: reviews.done(
            session,
            submission.actor,
            at.model_id,
            due,
            words=text(submission, windows.WORD),
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return _done(submission, at, said)
