"""Making, recognising and revoking tokens. The token itself is told once, by whoever makes it, and never kept."""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from sqlalchemy.orm import Session

from storage.enums import Scope, TokenKind
from storage.people import queries as people
from storage.projects import queries as projects
from storage.tokens import queries
from storage.tokens.tables import ApiToken
from workflows import permissions
from workflows.audit import service as audit
from workflows.context import Actor, ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound

# --- What is said of a token when it is made

LONGEST = timedelta(days=366)
MACHINE_SCOPES = (
    Scope.ASK,
    Scope.READ,
    Scope.COSTS,
    Scope.STATUS,
    Scope.MODELS_READ,
    Scope.MODELS,
    Scope.RETURNS,
)
PERSONAL_SCOPES = (
    Scope.READ,
    Scope.DECIDE,
    Scope.STATUS,
    Scope.MODELS_READ,
    Scope.MODELS,
    Scope.CASES_READ,
    Scope.CASES,
    Scope.RETURNS,
)


class NewToken(BaseModel):
    """A machine's token: what it is for, where it may be used, and for how long."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$")]
    scopes: tuple[Scope, ...] = Field(min_length=1)
    projects: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    lasts: timedelta

    @field_validator("scopes")
    @classmethod
    def _never_decides(cls, value: tuple[Scope, ...]) -> tuple[Scope, ...]:
        if Scope.DECIDE in value:
            raise ValueError("a machine can ask and never decides; people make tokens of their own")
        return tuple(dict.fromkeys(value))

    @field_validator("lasts")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= LONGEST:
            raise ValueError("a token lasts between 5m and 366d")
        return value


# --- Tokens as others see them
#
# never the token itself.


@dataclass(frozen=True, slots=True)
class Token:
    """A token and whose it is."""

    id: int
    kind: TokenKind
    prefix: str
    name: str
    person_id: str
    scopes: tuple[Scope, ...]
    projects: tuple[str, ...]
    gates: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    whose: str = ""

    def state(self, now: datetime) -> str:
        """`in use`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "in use" if now < self.expires_at else "expired"


# --- Making, recognising and revoking tokens
#
# The token itself is told once, by whoever makes it, and never kept.

_SHAPE = re.compile(r"^(mlgov_[mp]_[a-z0-9]{8})_[A-Za-z0-9_-]{43}$")
_LETTERS = string.ascii_lowercase + string.digits
PERSONAL_MOST = 10
"""Tokens of one person that are in use."""
USED_WITHIN = timedelta(minutes=1)
"""How exact `last_used_at` is: not every call may cost a write."""


class TokenRefused(GovernanceError):
    """This token opens nothing here. `code` says why: missing, unknown, expired, revoked, left, scope or bound."""

    def __init__(
        self, code: str, sentence: str, *, prefix: str = "", helps_own: bool = False
    ) -> None:
        """`helps_own`: a token of the person's own would do, so a surface says how it is made."""
        super().__init__(sentence)
        self.code = code
        self.prefix = prefix
        self.helps_own = helps_own


def create(ctx: Context, form: NewToken) -> tuple[str, Token]:
    """A machine's token, and what is known of it. Only who operates mlgov makes one.

    Raises InvalidInput for a project or gate that there is not, and for a name that is in use.
    """
    if ctx.actor.kind is not ActorKind.OPERATOR:
        raise NotAllowed(
            "Only who operates mlgov makes tokens for programs, by `mlgov token create`."
        )
    for key in form.projects:
        if projects.find_by_key(ctx.session, key) is None:
            raise InvalidInput(f"There is no project {key!r}.", field="projects")
    for gate in form.gates:
        ctx.policy.gate(gate)
    if queries.is_name_taken(ctx.session, form.name, now=ctx.now):
        raise InvalidInput(
            f"A token named {form.name!r} is in use. Revoke it first, or take another name.",
            field="name",
        )
    program, prefix = f"t_{secrets.token_hex(8)}", _prefix(TokenKind.MACHINE)
    queries.add_program(ctx.session, program, ctx.org, f"{form.name} (token {prefix})")
    return _make(
        ctx,
        TokenKind.MACHINE,
        form.name,
        program,
        form.scopes,
        prefix=prefix,
        lasts=form.lasts,
        bound=(form.projects, form.gates),
    )


def create_personal(ctx: Context, *, lasts: timedelta) -> tuple[str, Token]:
    """A token that acts as the person who makes it, with the same checks as their clicks."""
    permissions.require_member(ctx.actor, "token.create")
    if not timedelta(minutes=5) <= lasts <= LONGEST:
        raise InvalidInput("A token lasts between 5 minutes and a year.", field="lasts")
    mine = [token for token in list_tokens(ctx.session, person_id=ctx.actor.id)]
    if sum(token.state(ctx.now) == "in use" for token in mine) >= PERSONAL_MOST:
        raise InvalidInput(f"You have {PERSONAL_MOST} tokens in use. Revoke one of them first.")
    return _make(
        ctx,
        TokenKind.PERSONAL,
        "personal",
        ctx.actor.id,
        PERSONAL_SCOPES,
        prefix=_prefix(TokenKind.PERSONAL),
        lasts=lasts,
        bound=((), ()),
    )


def _make(
    ctx: Context,
    kind: TokenKind,
    name: str,
    person_id: str,
    scopes: tuple[Scope, ...],
    *,
    prefix: str,
    lasts: timedelta,
    bound: tuple[Collection[str], Collection[str]],
) -> tuple[str, Token]:
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    row = ApiToken(
        kind=kind.value,
        prefix=prefix,
        sha256=_digest(secret),
        name=name,
        person_id=person_id,
        scopes=[scope.value for scope in scopes],
        projects=list(bound[0]),
        gates=list(bound[1]),
        created_at=ctx.now,
        expires_at=ctx.now + lasts,
        revoked_at=None,
        last_used_at=None,
    )
    ctx.session.add(row)
    ctx.session.flush()
    audit.record(
        ctx,
        "token.created",
        ("token", prefix),
        kind=kind.value,
        acts_as=person_id,
        scopes=row.scopes,
        projects=row.projects,
        gates=row.gates,
        expires_at=row.expires_at.isoformat(timespec="microseconds"),
    )
    return secret, _record(row, "")


def _prefix(kind: TokenKind) -> str:
    short = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"mlgov_{'m' if kind is TokenKind.MACHINE else 'p'}_{short}"


def recognise(ctx: Context, text: str | None) -> tuple[Token, Actor]:
    """The token that was shown, and who acts by it. Raises TokenRefused for one that opens nothing."""
    if not text:
        raise TokenRefused(
            "missing",
            "This needs a token: send it as `Authorization: Bearer mlgov_…`. An operator makes one for a program by "
            "`mlgov token create`.",
            helps_own=True,
        )
    shape = _SHAPE.match(text)
    row = queries.find_token(ctx.session, shape[1]) if shape else None
    if row is None or not hmac.compare_digest(row.sha256, _digest(text)):
        raise TokenRefused(
            "unknown", "This token is not known here. Check that it was copied whole."
        )
    if row.revoked_at is not None:
        raise TokenRefused(
            "revoked", f"The token {row.prefix} was revoked; ask for a new one.", prefix=row.prefix
        )
    if ctx.now >= row.expires_at:
        raise TokenRefused(
            "expired", f"The token {row.prefix} has expired; make a new one.", prefix=row.prefix
        )
    person = people.find_person(ctx.session, row.person_id)
    is_personal = row.kind == TokenKind.PERSONAL
    actor = None
    if person is not None and person.org_key == ctx.org and person.erased_at is None:
        actor = Actor(
            id=person.id,
            kind=ActorKind.PERSON if is_personal else ActorKind.PROGRAM,
            name=person.name,
            slack_id=person.slack_id,
            tz=person.tz,
            is_guest=person.is_guest,
            is_stranger=person.is_stranger,
            is_bot=person.is_bot,
            is_deactivated=person.is_deactivated,
        )
    if actor is None or (is_personal and not actor.is_member):
        raise TokenRefused(
            "left",
            f"The token {row.prefix} belongs to somebody who is no active member of the organisation any more.",
            prefix=row.prefix,
        )
    return _record(row, actor.name), actor


def require(
    token: Token, scope: Scope, *, project: str | None = None, gate: str | None = None
) -> None:
    """Refuse what the token is not for, and where it may not be used. Raises TokenRefused."""
    if scope not in token.scopes:
        if scope is Scope.DECIDE:
            sentence = "A program's token can ask and read, and never decides: a person does, by a token of their own."
        elif scope is Scope.ASK and token.kind is TokenKind.PERSONAL:
            sentence = "A person's token reads and decides; asking at a gate needs a program's token, made by `mlgov token create`."
        else:
            sentence = f"The token {token.prefix} is not for {scope.value}; it is for {', '.join(token.scopes)}."
        raise TokenRefused("scope", sentence, prefix=token.prefix, helps_own=scope is Scope.DECIDE)
    if project is not None and token.projects and project not in token.projects:
        raise TokenRefused(
            "bound",
            f"The token {token.prefix} is only for the projects {', '.join(token.projects)}.",
            prefix=token.prefix,
        )
    if gate is not None and token.gates and gate not in token.gates:
        raise TokenRefused(
            "bound",
            f"The token {token.prefix} is only for the gates {', '.join(token.gates)}.",
            prefix=token.prefix,
        )


def note_used(session: Session, token: Token, *, now: datetime) -> None:
    """Remember that it was used."""
    queries.touch(session, token.id, now=now)


def revoke(ctx: Context, prefix: str) -> Token:
    """End a token now. An operator ends any, a person their own. Raises NotFound; again changes nothing."""
    row = queries.find_token(ctx.session, prefix.strip(), lock=True)
    if row is None or (ctx.actor.kind is not ActorKind.OPERATOR and row.person_id != ctx.actor.id):
        raise NotFound(
            f"There is no token {prefix!r}. A token is named by its first characters, like mlgov_m_ab12cd34."
        )
    if row.revoked_at is None:
        row.revoked_at = ctx.now
        ctx.session.flush()
        audit.record(ctx, "token.revoked", ("token", row.prefix), acts_as=row.person_id)
    return _record(row, "")


def list_tokens(session: Session, *, person_id: str | None = None) -> list[Token]:
    """Tokens, the newest first: of one person, or all."""
    return [_record(row, whose) for row, whose in queries.list_tokens(session, person_id=person_id)]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(row: ApiToken, whose: str) -> Token:
    return Token(
        id=row.id,
        kind=TokenKind(row.kind),
        prefix=row.prefix,
        name=row.name,
        person_id=row.person_id,
        scopes=tuple(Scope(scope) for scope in row.scopes),
        projects=tuple(row.projects),
        gates=tuple(row.gates),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        whose=whose,
    )
