"""What follows a change of a model: every copy shows what is true, and whom it concerns is told."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from storage.inventory import queries
from storage.inventory.tables import Model
from storage.people import lookups
from storage.people.channels import is_joined
from workflows import outbox, resting, rollout
from workflows.inventory.notices import ModelShown, StepTold
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy

Clicked = tuple[str, str] | None
VERSION = "model_version"
"""The type of subject under which a version is asked about."""


def subject(model_id: int) -> Subject:
    """What every message about a model is a view of."""
    return Subject.of("model", model_id)


def refresh_copies(
    session: Session, model_id: int, *, now: datetime, clicked: Clicked = None
) -> None:
    """Every copy of a model's card shows what is true now, and what waits for a decision about it is looked at again."""
    session.flush()
    resting.recheck_about(
        session, VERSION, [row.id for row in queries.list_versions(session, [model_id])], now=now
    )
    model = queries.find_model(session, model_id)
    if model is not None and model.project_id is not None:
        resting.recheck_projects(session, [model.project_id], now=now, subject_type="release")
    outbox.refresh(session, subject(model_id), now=now, clicked=clicked)


def find_channel(session: Session, model: Model, org_key: str) -> str | None:
    """The Slack id of the model's project's channel, where mlgov can speak there."""
    project = queries.find_project_by_id(session, model.project_id)
    if project is not None and project.channel and is_joined(session, org_key, project.channel):
        return project.channel
    return None


def post_card(session: Session, model: Model, *, org_key: str, now: datetime) -> None:
    """Post the model's card in its project's channel, once."""
    channel = find_channel(session, model, org_key)
    if model.card_id is not None or channel is None:
        return
    model.card_id = outbox.post(
        session,
        ModelShown(model.id),
        to=Destination.channel(org_key, channel),
        dedupe_key=f"model:{model.id}:card:{channel}",
        now=now,
        subject=subject(model.id),
    )


def post_step(
    session: Session, model: Model, step_id: int, *, alone: bool, org_key: str, now: datetime
) -> None:
    """Tell a step under the model's card; `alone`, as an alarm is, beside it."""
    channel = find_channel(session, model, org_key)
    if channel is None:
        return
    outbox.post(
        session,
        StepTold(step_id),
        to=Destination.channel(org_key, channel),
        dedupe_key=f"model:step:{step_id}",
        now=now,
        thread_of=None if alone else model.card_id,
    )


def notify_people(
    session: Session,
    person_ids: Collection[str],
    notice: Notice,
    key: str,
    model_id: int,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    unasked: bool = True,
) -> None:
    """Message these people, each once for this fact; through the rollout where nobody's own deed asks for it."""
    for person_id, person in sorted(lookups.find_people(session, set(person_ids)).items()):
        if not person.slack_id or person.is_deactivated or person.is_bot:
            continue
        to = Destination.person(org_key, person.slack_id)
        name = f"{key}:{person_id}"
        if unasked:
            rollout.message_unasked(
                session,
                person_id,
                notice,
                to=to,
                dedupe_key=name,
                policy=policy,
                now=now,
                subject=subject(model_id),
            )
        else:
            outbox.post(session, notice, to=to, dedupe_key=name, now=now, subject=subject(model_id))
