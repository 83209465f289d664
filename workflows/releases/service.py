"""A release: something outside mlgov that a gate decides about. What follows from the decision happens outside, too."""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from storage.enums import ApprovalState, Part
from storage.people import lookups
from storage.projects.tables import Project
from storage.releases import queries
from storage.releases.queries import ReleaseProject
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.policy import Gate, Policy, conditions
from workflows.policy.facts import Facts
from workflows.releases import questions, record, rules
from workflows.releases.forms import AskRelease
from workflows.subjects import (
    Prepared,
    ReadAgain,
    Reread,
    Rest,
    Words,
    project_facts,
    project_rests,
)

TYPE = "release"
SHOWN = 12
"""Characters of a digest or commit on a card; all of them stand under Details."""


class KeyReused(GovernanceError):
    """An idempotency key named another asking before; `differences` say in what they differ."""

    def __init__(self, sentence: str, differences: tuple[rules.Difference, ...] = ()) -> None:
        super().__init__(sentence)
        self.differences = differences


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
        """Lock the release and say exactly what is asked, with what the record knows of it."""
        asked = form.form
        project = queries.find_project(session, form.project)
        if project is None:
            raise NotFound(
                f"There is no project {form.project!r}. Give the key by which mlgov knows it.",
                field="project",
            )
        people = questions.resolve_people(session, asked)
        facts = rules.list_fields(asked, project.key, people)
        recorded = record.read_record(session, asked.subject, asked.digest, project.id)
        _require_answers(policy, asked, recorded)
        record.require_agreement(
            session,
            recorded,
            tier=asked.tier,
            developer=facts["developer"],
            validator=facts["validator"],
            project=project,
        )
        release_id = queries.lock_release(session, project.id, asked.subject, asked.digest, now=now)
        developers, validators = (
            tuple(dict.fromkeys(filter(None, (named, *recorded.parts.get(part, ())))))
            for part, named in (
                (Part.DEVELOPER, facts["developer"]),
                (Part.VALIDATOR, facts["validator"]),
            )
        )
        return Prepared(
            subject_id=release_id,
            project_id=project.id,
            facts={**facts, rules.SAYS_WHY: bool(asked.reason), "token": form.token},
            people={
                "owner": project.owner_id,
                "sponsor": project.sponsor_id,
                "manager": project.manager_id,
                "developer": next(iter(developers), None),
                "validator": next(iter(validators), None),
            },
            contributors=tuple(
                dict.fromkeys(
                    (*(facts["contributors"] or ()), *recorded.parts.get(Part.CONTRIBUTOR, ()))
                )
            ),
            also={Part.DEVELOPER: developers[1:], Part.VALIDATOR: validators[1:]},
            conditions=_conditions(facts, recorded, project),
            known=recorded.known(),
            rests=_rests(facts, recorded, project),
            question=lambda reason: rules.digest_question(
                rules.build_question(facts, {"reason": reason} if asked.reason else {})
            ),
        )

    def reread(
        self,
        session: Session,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> Reread:
        """What the record says of the release now."""
        project = queries.find_project_of(session, subject_id)
        if project is None:
            return Reread(None)
        recorded = record.read_record(session, facts["subject"], facts["digest"], project.id)
        again = ReadAgain(
            _conditions(facts, recorded, project),
            recorded.known(),
            {
                word: recorded.parts.get(part, ())
                for word, part in (
                    ("developer", Part.DEVELOPER),
                    ("validator", Part.VALIDATOR),
                    ("contributors", Part.CONTRIBUTOR),
                )
            },
            rests=_rests(facts, recorded, project),
        )
        return Reread(again)

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
        spared: Collection[str] = (),
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
        project = queries.find_project_of(session, subject_id)
        who = _names(session, facts)
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
            ("Developer", "developer"),
            ("Validator", "validator"),
            ("Contributors, who do not decide", "contributors"),
            ("Token", "token"),
        ):
            if facts.get(key):
                detail.append((label, who.get(key) or str(facts[key])))
        return Words(
            project=project.name if project else "A project",
            asks=f"release {name}{_to(where)} ({', '.join(proof)})",
            stays=f"{name} is not released{_to(where)}",
            done=f"{name} may be released{_to(where)}",
            facts=tuple(detail),
        )


def request_key(actor: Actor, key: str) -> str:
    """The key of a request from what a program calls it; programs cannot meet each other's."""
    return f"api:{actor.id}:{hashlib.sha256(key.encode()).hexdigest()}"


def _conditions(
    facts: dict[str, Any], recorded: record.Recorded, project: Project | ReleaseProject
) -> Facts:
    """What conditions are told: the record's word where it has one, else what was asked."""
    name, version = record.split_subject(facts["subject"])
    tier = facts["tier"] if recorded.tier is None else recorded.tier
    return {
        "model.name": name,
        "model.version": version,
        "model.tier": tier or 0,
        "environment": facts["environment"] or "",
        "data.class": facts["data_class"] or "",
        "region": facts["region"] or "",
        **project_facts(project),
    }


def _rests(
    facts: dict[str, Any], recorded: record.Recorded, project: Project | ReleaseProject
) -> tuple[Rest, ...]:
    """What a release rests on beside the question: the record's word, and the token's where the record has none."""
    tier, eu_class = recorded.rests()
    if recorded.tier is None and facts["tier"]:
        asked_tier = facts["tier"]
        tier = Rest(tier.name, tier.label, asked_tier, str(asked_tier), -asked_tier)
    return (tier, eu_class, *project_rests(project))


def _require_answers(policy: Policy, asked: AskRelease, recorded: record.Recorded) -> None:
    """Refuse a request that leaves open what the gate's conditions ask: unknown, a strict stage would be left out."""
    gate = policy.gate(asked.gate_name)
    for name, value, field in (
        ("model.tier", recorded.tier if asked.tier is None else asked.tier, "tier"),
        ("environment", asked.environment, "environment"),
        ("data.class", asked.data_class, "data_class"),
        ("region", asked.region, "region"),
    ):
        if value is None and any(
            name in conditions.names_in(text, TYPE) for _, text in gate.conditions()
        ):
            raise InvalidInput(
                f"The gate {asked.gate_name} decides by {name}, so say it: `{field}`.", field=field
            )

    _require_spelling(gate, asked)
    for part, named in (
        ("developer", asked.developer or recorded.parts.get(Part.DEVELOPER)),
        ("validator", asked.validator or recorded.parts.get(Part.VALIDATOR)),
        ("contributors", asked.contributors),
    ):
        if part in gate.separate and named is None:
            raise InvalidInput(
                f"The gate {asked.gate_name} keeps {part} apart from those who decide, so say who: `{part}`.",
                field=part,
            )


def _require_spelling(gate: Gate, asked: AskRelease) -> None:
    """Refuse `Production` where the gate decides by `production`: people would read one, and conditions another."""
    name, version = record.split_subject(asked.subject)
    for _, text in gate.conditions():
        texts = conditions.texts_in(text)
        spelt = {word.casefold(): word for word in texts}
        for fact, value, field in (
            ("model.name", name, "subject"),
            ("model.version", version, "subject"),
            ("environment", asked.environment, "environment"),
            ("data.class", asked.data_class, "data_class"),
            ("region", asked.region, "region"),
        ):
            known = spelt.get(value.casefold()) if value else None
            if known is not None and value not in texts and fact in conditions.names_in(text, TYPE):
                raise InvalidInput(
                    f"The gate {asked.gate_name} decides by {fact} {known!r}, and this says {value!r}. Write it as the gate does.",
                    field=field,
                )


def _names(session: Session, facts: dict[str, Any]) -> dict[str, str]:
    """Field → the names of those whom it holds; older requests hold only how many contributors there are."""
    named = {
        field: [one for one in rules.list_values(facts.get(field)) if isinstance(one, str)]
        for field in rules.PEOPLE
    }
    ids = {person for people in named.values() for person in people}
    rows = lookups.find_people(session, ids) if ids else {}
    return {
        field: ", ".join(rows[one].name for one in people if one in rows)
        for field, people in named.items()
    }


def _short(proof: str) -> str:
    return proof.removeprefix("sha256:")[:SHOWN]


def _to(environment: str | None) -> str:
    return f" to {environment}" if environment else ""


RELEASE = ReleaseSubject()
