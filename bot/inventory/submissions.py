"""The windows of models, sent: what was entered becomes a change, or a sentence under its field."""

import hashlib

from sqlalchemy.orm import Session

from bot import seals
from bot.interactions import ClassifyWindow, ModelWindow, RegisterWindow
from bot.inventory import acting, entered, fields
from bot.replies import Reply
from bot.requests import Submission
from bot.router import Router
from workflows.inventory import reads, service, versions
from workflows.inventory.forms import (
    AddVersion,
    AssessTier,
    RegisterModel,
    TakeStep,
    slug,
)


def register(router: Router) -> None:
    """Answer the windows of an entry and of its life."""
    router.submission(fields.SUBMIT_REGISTER, new, RegisterWindow)
    router.submission(fields.SUBMIT_CLASSIFY, classify, ClassifyWindow)
    for callback, handler in (
        (fields.SUBMIT_DESCRIBE, describe),
        (fields.SUBMIT_ASSESS, assess),
        (fields.SUBMIT_VERSION, version),
        (fields.SUBMIT_STEP, step),
    ):
        router.submission(callback, handler, ModelWindow)


def new(submission: Submission, window: RegisterWindow) -> Reply:
    """A model for the inventory, assessed at once where that was said."""
    deps = submission.deps
    is_sealed = seals.is_sealed(deps, submission.actor, window.channel, window.seal)

    def work(session: Session) -> int:
        form = submission.form(
            RegisterModel,
            {
                "key": slug(submission.text(fields.NAME)),
                "owner_id": entered.person_id(session, submission, fields.OWNER),
                "request_key": submission.key,
            },
        )
        return service.register_model(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            channel=window.channel if is_sealed else "",
        )

    model_id = entered.run(submission, work)
    return entered.details(deps, submission.actor, model_id, None, "Registered.")


def describe(submission: Submission, at: ModelWindow) -> Reply:
    """What describes a model, anew."""
    deps = submission.deps

    def work(session: Session) -> None:
        reads.require_sight(session, submission.actor, at.model_id, policy=deps.policy)
        form = submission.form(
            RegisterModel,
            {
                "key": reads.load_model(session, at.model_id).key,
                "owner_id": entered.person_id(session, submission, fields.OWNER),
                "data_sources": submission.listed(fields.DATA),
                "affects_people": submission.values.get(fields.PEOPLE) == "yes",
                "request_key": submission.key,
            },
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
            clicked=at.card,
        )

    entered.run(submission, work)
    return entered.confirm(submission, at, "Kept.")


def assess(submission: Submission, at: ModelWindow) -> Reply:
    """How material it is."""
    deps = submission.deps
    form = submission.form(AssessTier, {"model_id": at.model_id, "revision": at.model_revision})
    tier = entered.run(
        submission,
        lambda session: service.assess_tier(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            clicked=at.card,
        ),
    )
    return entered.confirm(submission, at, f"It is tier {tier}.")


def version(submission: Submission, at: ModelWindow) -> Reply:
    """A version, in development."""
    deps = submission.deps
    prompt = submission.text(fields.PROMPT)
    base = submission.text(fields.BASE)
    generative = (
        {
            "model": base,
            "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest() if prompt else None,
            "tools": submission.listed(fields.TOOLS),
        }
        if base
        else None
    )

    def work(session: Session) -> int:
        maker = entered.person_id(session, submission, fields.DEVELOPER)
        form = submission.form(
            AddVersion,
            {
                "model_id": at.model_id,
                "digest": submission.text(fields.DIGEST).lower() or None,
                "generative": generative,
                "developers": (maker,) if maker else (),
            },
        )
        return versions.add_version(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=at.card,
        )

    version_id = entered.run(submission, work)
    return entered.details(deps, submission.actor, at.model_id, version_id, "It is in development.")


def classify(submission: Submission, at: ClassifyWindow) -> Reply:
    """It is no model, or one after all."""
    deps = submission.deps
    entered.run(
        submission,
        lambda session: service.classify_entry(
            session,
            submission.actor,
            at.model_id,
            at.model_revision,
            is_model=at.is_model,
            reason=submission.text(fields.REASON),
            policy=deps.policy,
            now=deps.now(session),
            clicked=at.card,
        ),
    )
    return entered.confirm(submission, at, "Kept.")


def step(submission: Submission, at: ModelWindow) -> Reply:
    """A step, or the request that it is."""
    deps = submission.deps
    with deps.db.read() as session:
        validator = entered.person_id(session, submission, fields.VALIDATOR)
    form = submission.form(
        TakeStep,
        {
            "version_id": at.version_id or 0,
            "revision": at.version_revision,
            "verb": at.verb,
            "validator_id": validator,
            "request_key": submission.key,
        },
    )
    sentence = acting.take_step(deps, submission.actor, form, at.card)
    return entered.confirm(submission, at, sentence)
