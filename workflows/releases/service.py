"""A release: something outside mlgov that a gate decides about. What follows from the decision happens outside, too."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from storage.enums import ApprovalState, EuClass, Part
from storage.people import lookups
from storage.projects.tables import Project
from storage.releases import queries
from storage.releases.queries import ReleaseProject
from workflows.approvable import (
    Known,
    Prepared,
    ReadAgain,
    Reread,
    Rest,
    Words,
    project_facts,
    project_rests,
)
from workflows.audit import service as audit
from workflows.context import Actor, Context
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.policy import Gate, Policy, conditions
from workflows.policy.conditions import Facts
from workflows.releases import reads, rules
from workflows.releases.forms import AskRelease

# --- What the inventory knows of what is to be released
#
# It goes before what a token says, and a contradiction is refused.

SOURCE = "the inventory"
LEAST = 4
"""As what weighs a model whose tier is not known, less than the least material tier."""
_STRICTEST = tuple(EuClass)
"""From the strictest class on."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The models that a release is about, by its name or its contents, taken together: the strictest holds."""

    models: tuple[str, ...] = ()
    """Their names, as people read them."""
    name: str = ""
    """The name and version that was asked about."""
    tier: int | None = None
    eu_class: EuClass | None = None
    foreign: str = ""
    """The model of that very name, where it belongs to another project."""
    parts: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)
    """Who had which part in the version, by their ids; a part that nobody is known to have had is left out."""

    def known(self) -> tuple[Known, ...]:
        """What it says, for card, statement and ledger."""
        if not self.models:
            return ()
        values: list[tuple[str, str, str | int]] = [("model", "model", ", ".join(self.models))]
        if self.tier is not None:
            values.append(("tier", "tier", self.tier))
        if self.eu_class is not None:
            values.append(("eu_class", "EU AI Act class", self.eu_class.value))
        return tuple(Known(name, label, value, SOURCE) for name, label, value in values)

    def rests(self) -> tuple[Rest, ...]:
        """What it says, as what a release rests on; a model that it has not counts as the least material."""
        return (
            Rest(
                "model.tier",
                "tier",
                self.tier or 0,
                str(self.tier or "not known"),
                -(self.tier or LEAST),
            ),
            Rest(
                "model.eu_class",
                "EU AI Act class",
                self.eu_class.value if self.eu_class else "",
                self.eu_class.value if self.eu_class else "not known",
                -_STRICTEST.index(self.eu_class) if self.eu_class else -len(_STRICTEST),
            ),
        )


def read_record(session: Session, subject: str, digest: str, project_id: int) -> Recorded:
    """What the inventory knows of a release now."""
    names, version = _names_of(subject)
    contents = digest.removeprefix("sha256:")
    models = queries.list_models(session, names, contents)
    if not models:
        return Recorded(name=subject)
    versions = queries.list_versions(session, [model.id for model in models], version, contents)
    parts: dict[Part, list[str]] = {}
    for person_id, part in queries.list_parts(session, [each.id for each in versions]):
        parts.setdefault(Part(part), []).append(person_id)
    classes = [EuClass(model.eu_class) for model in models if model.eu_class]
    return Recorded(
        tuple(model.name for model in models),
        subject,
        min((model.tier for model in models if model.tier is not None), default=None),
        min(classes, key=_STRICTEST.index, default=None),
        next(
            (
                model.name
                for model in models
                if names & {model.key, (model.registry_name or "").lower()}
                and model.project_id not in (None, project_id)
            ),
            "",
        ),
        {part: tuple(people) for part, people in parts.items()},
    )


def split_subject(subject: str) -> tuple[str, str]:
    """Name and version; the version is empty where none is given."""
    name, colon, version = subject.rpartition(":")
    return (name, version) if colon else (subject, "")


_REGISTRY = "models:/"
"""How an address of MLflow's registry begins: `models:/fraud-model/7`."""


def _names_of(subject: str) -> tuple[frozenset[str], str]:
    """What a subject may call its model, folded, and the version: `team/fraud-model:7` is `fraud-model`, too."""
    if subject.startswith(_REGISTRY):
        name, _, version = subject.removeprefix(_REGISTRY).rpartition("/")
    else:
        name, version = split_subject(subject)
    names = {name, name.partition("@")[0], subject.removeprefix(_REGISTRY)}
    names |= {each.rpartition("/")[2] for each in names}
    names |= {each.partition("@")[0] for each in names}
    return frozenset(each.casefold() for each in names if each), version


def require_agreement(
    session: Session,
    recorded: Recorded,
    *,
    tier: int | None,
    developer: str | None,
    validator: str | None,
    project: Project,
) -> None:
    """Refuse what contradicts the record. People are ids. Raises InvalidInput, which says what the record has."""
    if recorded.foreign:
        raise InvalidInput(
            f"The inventory has {recorded.foreign}, and it belongs to another project than {project.name}. "
            "Ask for its own project, or give what you release a name of its own.",
            field="project",
        )
    if tier is not None and recorded.tier is not None and tier != recorded.tier:
        raise InvalidInput(
            f"The inventory has {_join_names(recorded.models)} at tier {recorded.tier}, and this says tier {tier}. Leave `tier` out, "
            "or have the model assessed again.",
            field="tier",
        )
    for part, person in ((Part.DEVELOPER, developer), (Part.VALIDATOR, validator)):
        people = recorded.parts.get(part, ())
        if person is None or not people or person in people:
            continue
        rows = lookups.find_people(session, people)
        names = _join_names(tuple(rows[one].name for one in people if one in rows))
        did = "developed" if part is Part.DEVELOPER else "validated"
        raise InvalidInput(
            f"The inventory says that {names or 'somebody else'} {did} {recorded.name}. Leave `{part.value}` out, "
            "or have the inventory corrected.",
            field=part.value,
        )


def _join_names(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


# --- A release
#
# something outside mlgov that a gate decides about. What follows from the decision happens
# outside, too.

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
    """A subject type (see `workflows.approvable`) for every gate that the policy binds to releases."""

    gate: str | None = None
    is_editable = False

    def prepare(self, ctx: Context, form: Asking, *, replacing: int | None = None) -> Prepared:
        """Lock the release and say exactly what is asked, with what the record knows of it."""
        asked = form.form
        project = queries.find_project(ctx.session, form.project)
        if project is None:
            raise NotFound(
                f"There is no project {form.project!r}. Give the key by which mlgov knows it.",
                field="project",
            )
        people = reads.resolve_people(ctx.session, asked)
        facts = rules.list_fields(asked, project.key, people)
        recorded = read_record(ctx.session, asked.subject, asked.digest, project.id)
        _require_answers(ctx.policy, asked, recorded)
        require_agreement(
            ctx.session,
            recorded,
            tier=asked.tier,
            developer=facts["developer"],
            validator=facts["validator"],
            project=project,
        )
        release_id = queries.lock_release(
            ctx.session, project.id, asked.subject, asked.digest, now=ctx.now
        )
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

    def reread(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Reread:
        """What the record says of the release now."""
        project = queries.find_project_of(ctx.session, subject_id)
        if project is None:
            return Reread(None)
        recorded = read_record(ctx.session, facts["subject"], facts["digest"], project.id)
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

    def apply(self, ctx: Context, approval_id: int, subject_id: int, facts: dict[str, Any]) -> None:
        """Approved: it may go out. It is the pipeline that carries it out."""
        audit.record(
            ctx,
            "release.allowed",
            (TYPE, subject_id),
            approval=approval_id,
            digest=facts["digest"],
            environment=facts["environment"],
        )

    def close(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
    ) -> None:
        """Not approved: nothing was changed, so nothing is changed back."""

    def lapse(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        spared: Collection[str] = (),
    ) -> None:
        """An approval of a release changed nothing here; its statement is told as no longer approved."""

    def words(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Words:
        """What is asked, in plain words."""
        project = queries.find_project_of(ctx.session, subject_id)
        who = _names(ctx.session, facts)
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
    facts: dict[str, Any], recorded: Recorded, project: Project | ReleaseProject
) -> Facts:
    """What conditions are told: the record's word where it has one, else what was asked."""
    name, version = split_subject(facts["subject"])
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
    facts: dict[str, Any], recorded: Recorded, project: Project | ReleaseProject
) -> tuple[Rest, ...]:
    """What a release rests on beside the question: the record's word, and the token's where the record has none."""
    tier, eu_class = recorded.rests()
    if recorded.tier is None and facts["tier"]:
        asked_tier = facts["tier"]
        tier = Rest(tier.name, tier.label, asked_tier, str(asked_tier), -asked_tier)
    return (tier, eu_class, *project_rests(project))


def _require_answers(policy: Policy, asked: AskRelease, recorded: Recorded) -> None:
    """Refuse a request that leaves open what the gate's conditions ask: unknown, a strict stage would be left out."""
    gate = policy.gate(asked.gate_name)
    for name, value, asked_field in (
        ("model.tier", recorded.tier if asked.tier is None else asked.tier, "tier"),
        ("environment", asked.environment, "environment"),
        ("data.class", asked.data_class, "data_class"),
        ("region", asked.region, "region"),
    ):
        if value is None and any(
            name in conditions.names_in(text, TYPE) for _, text in gate.conditions()
        ):
            raise InvalidInput(
                f"The gate {asked.gate_name} decides by {name}, so say it: `{asked_field}`.",
                field=asked_field,
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
    name, version = split_subject(asked.subject)
    for _, text in gate.conditions():
        texts = conditions.texts_in(text)
        spelt = {word.casefold(): word for word in texts}
        for fact, value, asked_field in (
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
                    field=asked_field,
                )


def _names(session: Session, facts: dict[str, Any]) -> dict[str, str]:
    """Field → the names of those whom it holds; older requests hold only how many contributors there are."""
    named = {
        asked_field: [
            one for one in rules.list_values(facts.get(asked_field)) if isinstance(one, str)
        ]
        for asked_field in rules.PEOPLE
    }
    ids = {person for people in named.values() for person in people}
    rows = lookups.find_people(session, ids) if ids else {}
    return {
        asked_field: ", ".join(rows[one].name for one in people if one in rows)
        for asked_field, people in named.items()
    }


def _short(proof: str) -> str:
    return proof.removeprefix("sha256:")[:SHOWN]


def _to(environment: str | None) -> str:
    return f" to {environment}" if environment else ""


RELEASE = ReleaseSubject()
