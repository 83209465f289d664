"""A release: something outside mlgov that a gate decides about. What follows from the decision happens outside, too."""

import hashlib
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from storage.enums import ApprovalState
from storage.releases import queries
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.policy import Policy, conditions
from workflows.releases.forms import AskRelease
from workflows.sources.text import folded_email
from workflows.subjects import Prepared, Words, project_facts

TYPE = "release"
SHOWN = 12
"""Characters of a digest or commit on a card; all of them stand under Details."""


class KeyReused(GovernanceError):
    """An idempotency key named another asking before."""


class Asking(BaseModel):
    """A form with the project it is for (its key) and the token that asks (its prefix)."""

    model_config = ConfigDict(frozen=True)

    form: AskRelease
    project: str
    token: str


class ReleaseSubject:
    """A subject type (see `workflows.subjects`) for every gate that the policy binds to releases."""

    gate: str | None = None
    is_editable = False

    def prepare(
        self,
        session: Session,
        actor: Actor,
        form: Asking,
        *,
        policy: Policy,
        now: datetime,
        replacing: int | None = None,
    ) -> Prepared:
        """Lock the release and say exactly what is asked. One request at a gate at a time."""
        asked = form.form
        project = queries.find_project(session, form.project)
        if project is None:
            raise NotFound(
                f"There is no project {form.project!r}. Give the key that `/mlgov status` shows.",
                field="project",
            )
        _require_told(policy, asked)
        developer, validator, contributors = _parts(session, asked)
        release_id = queries.lock_release(
            session, project.id, asked.subject, asked.digest, now=now
        )
        pending = queries.find_pending(session, asked.gate_name, release_id)
        if pending is not None:
            raise InvalidInput(
                f"This is asked already: request {pending} waits for a decision.",
                field="digest",
            )
        return Prepared(
            subject_id=release_id,
            project_id=project.id,
            facts={
                **asked.asked(),
                "url": asked.url,
                "project": project.key,
                "token": form.token,
                "contributors": len(contributors),
            },
            people={
                "owner": project.owner_id,
                "sponsor": project.sponsor_id,
                "manager": project.manager_id,
                "developer": developer,
                "validator": validator,
            },
            contributors=contributors,
            conditions={
                "model.name": asked.subject.rpartition(":")[0] or asked.subject,
                "model.version": asked.subject.rpartition(":")[2]
                if ":" in asked.subject
                else "",
                "model.tier": asked.tier or 0,
                "environment": asked.environment or "",
                "data.class": asked.data_class or "",
                "region": asked.region or "",
                **project_facts(project),
            },
        )

    def lock(self, session: Session, subject_id: int) -> None:
        """Lock the release's row."""
        queries.lock_by_id(session, subject_id)

    def apply(
        self,
        session: Session,
        actor: Actor,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> None:
        """Approved: it may go out. It is the pipeline that carries it out."""
        audit.record(
            session,
            actor,
            "release.allowed",
            (TYPE, subject_id),
            now=now,
            approval=approval_id,
            digest=facts["digest"],
            environment=facts["environment"],
        )

    def close(
        self,
        session: Session,
        actor: Actor,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
        policy: Policy,
        now: datetime,
    ) -> None:
        """Not approved: nothing was changed, so nothing is changed back."""

    def lapse(
        self,
        session: Session,
        actor: Actor,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> None:
        """An approval of a release changed nothing here; its statement is told as no longer approved."""

    def words(
        self,
        session: Session,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> Words:
        """What is asked, in plain words."""
        found = queries.find_project_of(session, subject_id)
        name, where = facts["subject"], facts["environment"]
        proof = [f"digest {_short(facts['digest'])}"]
        if facts["commit"]:
            proof.append(f"commit {_short(facts['commit'])}")
        detail = [("Digest", facts["digest"])]
        for label, key in (
            ("Commit", "commit"),
            ("Environment", "environment"),
            ("Tier, as the token says", "tier"),
            ("Data, as the token says", "data_class"),
            ("Region, as the token says", "region"),
            ("Run", "url"),
            ("Contributors, who do not decide", "contributors"),
            ("Token", "token"),
        ):
            if facts.get(key):
                detail.append((label, str(facts[key])))
        return Words(
            project=found.name if found else "A project",
            asks=f"release {name}{_to(where)} ({', '.join(proof)})",
            stays=f"{name} is not released{_to(where)}",
            done=f"{name} may be released{_to(where)}",
            facts=tuple(detail),
        )


def join(
    session: Session, actor: Actor, asking: Asking, request_key: str, *, now: datetime
) -> int | None:
    """The request that this asking opened before, or that waits for the very same release; None when it is new.

    Locks the release, so that two pipelines that ask at once open one request. Raises KeyReused when the key named
    another asking.
    """
    known = queries.find_keyed(session, request_key)
    if known is not None:
        same = known.gate == asking.form.gate_name and all(
            known.facts.get(name) == value
            for name, value in asking.form.asked().items()
        )
        if not same:
            raise KeyReused(
                "This Idempotency-Key named another request before. Use a new key for a new request."
            )
        return int(known.id)
    project = queries.find_project(session, asking.project)
    if project is None:
        return None
    form = asking.form
    release_id = queries.lock_release(
        session, project.id, form.subject, form.digest, now=now
    )
    return queries.find_pending(session, form.gate_name, release_id)


def request_key(actor: Actor, key: str) -> str:
    """The key of a request from what a program calls it; programs cannot meet each other's."""
    return f"api:{actor.id}:{hashlib.sha256(key.encode()).hexdigest()}"


def _require_told(policy: Policy, asked: AskRelease) -> None:
    """Refuse a request that leaves open what the gate's conditions ask: unknown, a strict stage would be left out."""
    gate = policy.gate(asked.gate_name)
    for name, value, field in (
        ("model.tier", asked.tier, "tier"),
        ("environment", asked.environment, "environment"),
        ("data.class", asked.data_class, "data_class"),
        ("region", asked.region, "region"),
    ):
        if value is None and any(
            name in conditions.names_in(text, TYPE) for _, text in gate.conditions()
        ):
            raise InvalidInput(
                f"The gate {asked.gate_name} decides by {name}, so say it: `{field}`.",
                field=field,
            )

    for part, said in (
        ("developer", asked.developer),
        ("validator", asked.validator),
        ("contributors", asked.contributors),
    ):
        if part in gate.separate and said is None:
            raise InvalidInput(
                f"The gate {asked.gate_name} keeps {part} apart from those who decide, so say who: `{part}`.",
                field=part,
            )


def _parts(
    session: Session, asked: AskRelease
) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Developer, validator and contributors as person ids. Raises InvalidInput for somebody who is nobody here."""
    said = {
        "developer": (asked.developer,) if asked.developer else (),
        "validator": (asked.validator,) if asked.validator else (),
        "contributors": asked.contributors or (),
    }
    words = {word: _folded(word) for each in said.values() for word in each}
    known = queries.find_people(session, set(words.values())) if words else {}
    for field, each in said.items():
        for word in each:
            if words[word] not in known:
                raise InvalidInput(
                    f"Nobody here is {word!r}: give a Slack id, or the e-mail address that Slack knows.",
                    field=field,
                )
    ids = {
        field: tuple(known[words[word]] for word in each)
        for field, each in said.items()
    }
    return (
        next(iter(ids["developer"]), None),
        next(iter(ids["validator"]), None),
        tuple(dict.fromkeys(ids["contributors"])),
    )


def _folded(word: str) -> str:
    return folded_email(word) or word if "@" in word else word


def _short(proof: str) -> str:
    return proof.removeprefix("sha256:")[:SHOWN]


def _to(environment: str | None) -> str:
    return f" to {environment}" if environment else ""


RELEASE = ReleaseSubject()
