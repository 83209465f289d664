"""The windows of models, sent: what was entered becomes a change, or a sentence under its field."""

import hashlib

from sqlalchemy.orm import Session

from bot import seals
from bot.inventory import acting, entered, fields
from bot.inventory.acting import At
from bot.replies import Reply
from bot.requests import Submission
from bot.router import Router
from storage.enums import EuClass, Exposure, ModelKind, PurposeClass
from workflows.inventory import reads, service, versions
from workflows.inventory.forms import (
    AddVersion,
    AssessTier,
    Generative,
    RegisterModel,
    TakeStep,
    slug,
)


def register(router: Router) -> None:
    """Answer the windows of an entry and of its life."""
    for callback, handler in (
        (fields.SUBMIT_REGISTER, new),
        (fields.SUBMIT_DESCRIBE, describe),
        (fields.SUBMIT_ASSESS, assess),
        (fields.SUBMIT_VERSION, version),
        (fields.SUBMIT_STEP, step),
        (fields.SUBMIT_CLASSIFY, classify),
    ):
        router.submission(callback, entered.told(handler))


def new(submission: Submission) -> Reply:
    """A model for the inventory, assessed at once where that was said."""
    deps = submission.deps
    name = entered.text(submission, fields.NAME)

    def work(session: Session) -> int:
        form = RegisterModel(
            key=slug(name),
            name=name,
            kind=submission.choice(fields.KIND, ModelKind),
            vendor=entered.text(submission, fields.VENDOR) or None,
            project=submission.values.get(fields.PROJECT),
            owner_id=entered.person(session, submission, fields.OWNER),
            purpose=entered.text(submission, fields.PURPOSE),
            exposure=submission.values.get(fields.EXPOSURE),
            purpose_class=submission.values.get(fields.USE),
            eu_class=submission.values.get(fields.EU),
            request_key=submission.key,
        )
        return service.register_model(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            channel=_channel(submission),
        )

    model_id = entered.run(submission, work)
    return entered.done(submission, At("", model_id, 0, None, 0), "Registered.")


def _channel(submission: Submission) -> str:
    """The channel in which the window was opened from a message; empty where it was opened otherwise."""
    channel, _, given = submission.metadata.partition(":")
    is_sealed = seals.is_sealed(submission.deps, submission.actor, channel, given)
    return channel if is_sealed else ""


def _assessment(submission: Submission, model_id: int, revision: int) -> AssessTier:
    other = submission.values.get(fields.TIER)
    return AssessTier(
        model_id=model_id,
        revision=revision,
        exposure=submission.choice(fields.EXPOSURE, Exposure),
        purpose_class=submission.choice(fields.USE, PurposeClass),
        eu_class=submission.choice(fields.EU, EuClass),
        override=int(other) if other else None,
        reason=entered.text(submission, fields.REASON),
    )


def describe(submission: Submission) -> Reply:
    """What describes a model, anew."""
    deps, at = submission.deps, At.read(submission.metadata)

    def work(session: Session) -> None:
        reads.require_sight(session, submission.actor, at.model_id, policy=deps.policy)
        model = reads.load_model(session, at.model_id)
        form = RegisterModel(
            key=model.key,
            name=entered.text(submission, fields.NAME),
            kind=submission.choice(fields.KIND, ModelKind),
            vendor=entered.text(submission, fields.VENDOR) or None,
            project=submission.values.get(fields.PROJECT),
            owner_id=entered.person(session, submission, fields.OWNER),
            purpose=entered.text(submission, fields.PURPOSE),
            intended_use=entered.text(submission, fields.INTENDED),
            out_of_scope=entered.text(submission, fields.SCOPE),
            technique=entered.text(submission, fields.TECHNIQUE),
            data_sources=entered.listed(submission, fields.DATA),
            affects_people=submission.values.get(fields.PEOPLE) == "yes",
            upstream=tuple(submission.values.get(fields.UPSTREAM) or ()),
            request_key=submission.key,
        )
        service.edit_model(
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

    entered.run(submission, work)
    return entered.done(submission, at, "Kept.")


def assess(submission: Submission) -> Reply:
    """How material it is."""
    deps, at = submission.deps, At.read(submission.metadata)
    form = _assessment(submission, at.model_id, at.model_revision)
    tier = entered.run(
        submission,
        lambda session: service.assess_tier(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return entered.done(submission, at, f"It is tier {tier}.")


def version(submission: Submission) -> Reply:
    """A version, in development."""
    deps, at = submission.deps, At.read(submission.metadata)
    prompt = entered.text(submission, fields.PROMPT)
    base = entered.text(submission, fields.BASE)

    def work(session: Session) -> int:
        maker = entered.person(session, submission, fields.DEVELOPER)
        form = AddVersion(
            model_id=at.model_id,
            version=entered.text(submission, fields.VERSION),
            digest=entered.text(submission, fields.DIGEST).lower() or None,
            generative=Generative(
                model=base,
                prompt_sha256=hashlib.sha256(prompt.encode()).hexdigest() if prompt else None,
                tools=entered.listed(submission, fields.TOOLS),
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

    version_id = entered.run(submission, work)
    return entered.details(deps, submission.actor, at.model_id, version_id, "It is in development.")


def classify(submission: Submission) -> Reply:
    """It is no model, or one after all."""
    deps, at = submission.deps, At.read(submission.metadata)
    is_model = submission.metadata.rsplit(":", 1)[-1] == "1"
    entered.run(
        submission,
        lambda session: service.classify_entry(
            session,
            submission.actor,
            at.model_id,
            at.model_revision,
            is_model=is_model,
            reason=entered.text(submission, fields.REASON),
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return entered.done(submission, at, "Kept.")


def step(submission: Submission) -> Reply:
    """A step, or the request that it is."""
    deps, at = submission.deps, At.read(submission.metadata)
    with deps.db.read() as session:
        validator = entered.person(session, submission, fields.VALIDATOR)
    form = TakeStep.model_validate(
        {
            "version_id": at.version_id or 0,
            "revision": at.version_revision,
            "verb": at.verb,
            "reason": entered.text(submission, fields.REASON),
            "validator_id": validator,
            "change_class": submission.values.get(fields.CHANGE),
            "new_version": entered.text(submission, fields.NEW) or None,
            "request_key": submission.key,
        }
    )
    said = acting.take_step(deps, submission.actor, form, acting.clicked_of(submission.metadata))
    return entered.done(submission, at, said)
