"""What notices about people look like."""

from typing import Any

from sqlalchemy.orm import Session

from bot.people import messages
from bot.rendering import Renderer, Scene
from workflows.people import groups, leaving, linking, policy_groups
from workflows.people.groups import ApproversChanged, ApproversTold
from workflows.people.leaving import MissingTold, PeopleMissing
from workflows.people.linking import JoinedTold, NotJoinedTold, PeopleJoined, PeopleNotJoined
from workflows.people.policy_groups import HandleClear, HandleTold, HandleUnclear


def _changed(session: Session, notice: ApproversChanged, scene: Scene) -> ApproversTold:
    return groups.read(session, notice)


def _joined(session: Session, notice: PeopleJoined, scene: Scene) -> JoinedTold:
    return linking.read_joined(session, notice)


def _not_joined(session: Session, notice: PeopleNotJoined, scene: Scene) -> NotJoinedTold:
    return linking.read_not_joined(session, notice)


def _handle(session: Session, notice: HandleUnclear | HandleClear, scene: Scene) -> HandleTold:
    return policy_groups.read(session, notice, policy=scene.policy)


def _missing(session: Session, notice: PeopleMissing, scene: Scene) -> MissingTold:
    return leaving.read(session, notice)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ApproversChanged, _changed, messages.approvers_changed),
    Renderer(HandleUnclear, _handle, messages.handle_unclear),
    Renderer(HandleClear, _handle, messages.handle_clear),
    Renderer(PeopleJoined, _joined, messages.joined),
    Renderer(PeopleNotJoined, _not_joined, messages.not_joined),
    Renderer(PeopleMissing, _missing, messages.missing),
)
