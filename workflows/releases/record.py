"""What the inventory knows of what is to be released. It goes before what a token says, and a contradiction is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from storage.enums import EuClass, Part
from storage.people import lookups
from storage.projects.tables import Project
from storage.releases import queries
from workflows.errors import InvalidInput
from workflows.subjects import Known, Rest

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
    for row in queries.list_parts(session, [each.id for each in versions]):
        parts.setdefault(Part(row.part), []).append(row.person_id)
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
