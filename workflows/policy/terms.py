"""What policy files are written in: durations, names of people and groups, and the strict sections that hold them."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from workflows.durations import parse_duration

_APPROVER = re.compile(
    r"^(?:[UW][A-Z0-9]{2,}|(?:oncall:)?(?:S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*)|role:[a-z][a-z0-9_]*"
    r"|subject\.(?:owner|sponsor|manager|developer|validator)|requester\.manager)$"
)
_MEMBER = re.compile(r"^(?:[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*)$")


def _approver(value: object) -> object:
    if not isinstance(value, str) or not _APPROVER.match(value):
        raise ValueError(
            f"{value!r} names no approver; write an id (U…, W…, S…), @group, oncall:@group, role:name, "
            "subject.owner, subject.sponsor, subject.manager, subject.developer, subject.validator or requester.manager"
        )
    return value


def _member(value: object) -> object:
    if not isinstance(value, str) or not _MEMBER.match(value):
        raise ValueError(f"{value!r} names nobody; write an id (U…, W…, S…) or @group")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Approver = Annotated[str, BeforeValidator(_approver)]
Member = Annotated[str, BeforeValidator(_member)]


class Section(BaseModel):
    """A part of the file: an unknown key is a fault, and nothing changes it once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
