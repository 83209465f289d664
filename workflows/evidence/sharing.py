"""Files that people share in Slack: what mlgov reads in them, and the evidence that they become."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from storage.evidence import queries
from storage.evidence.tables import SharedFile
from workflows.actors import Actor
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.evidence import explaining
from workflows.evidence.carding import CardText
from workflows.evidence.explaining import Explained
from workflows.evidence.fairness import Counts
from workflows.evidence.forms import CARD, EXPLAINED, FAIRNESS
from workflows.sources import explanations, groups, model_cards
from workflows.sources.text import storable

KEPT = timedelta(days=7)
"""For how long somebody can say what a file is that they shared."""
MOST_READ = 8_000_000
"""Bytes of a file that is looked into."""
_ROWS = (".csv", ".tsv", ".parquet", ".xlsx", ".gz")


@dataclass(frozen=True, slots=True)
class Shared:
    """A shared file as it was read. `name` is unescaped."""

    slack_id: str
    name: str
    size: int
    sha256: str
    permalink: str
    content: Mapping[str, Any]

    @property
    def type(self) -> str | None:
        """The type of evidence that its contents tell; None for any document."""
        if "explained" in self.content:
            return EXPLAINED
        return FAIRNESS if "fairness" in self.content else CARD if "card" in self.content else None

    @property
    def has_rows(self) -> bool:
        """Whether it is a table that mlgov does not know as counts of groups: it may hold rows of people."""
        return "fairness" not in self.content and self.name.casefold().endswith(_ROWS)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What its contents say, a sentence each; unescaped."""
        if "explained" in self.content:
            return explaining.describe_drivers(Explained.model_validate(self.content["explained"]))
        if "fairness" in self.content:
            counts = Counts.model_validate(self.content["fairness"])
            named = ", ".join(" × ".join(one.columns) for one in counts.counted)
            return (f"It counts groups of people by {named}; mlgov compares them.",)
        if "card" in self.content:
            missing = CardText.model_validate(self.content["card"]).missing
            return (
                f"It reads as a model card; it says nothing of: {', '.join(missing).lower()}."
                if missing
                else "It reads as a model card with all nine sections.",
            )
        return ()


def read_content(name: str, data: bytes) -> dict[str, Any]:
    """What is understood of a file, as JSON; empty for a document that mlgov only keeps the digest of."""
    is_text = name.casefold().endswith((".md", ".markdown", ".txt"))
    known: tuple[tuple[str, Callable[..., Any], type[BaseModel]], ...] = (
        (("card", model_cards.read, CardText),)
        if is_text
        else (("fairness", groups.read, Counts), ("explained", explanations.read, Explained))
    )
    for key, reader, form in known:
        try:
            return {key: form.model_validate(reader(data, name=name)).model_dump(mode="json")}
        except (GovernanceError, ValidationError):
            continue
    return {}


def keep_file(
    session: Session,
    actor: Actor,
    *,
    slack_id: str,
    name: str,
    data_size: int,
    sha256: str,
    permalink: str,
    content: Mapping[str, Any],
    now: datetime,
) -> Shared:
    """Remember a file until its sharer says what it is."""
    row = queries.find_file(session, slack_id)
    if row is None:
        row = SharedFile(
            slack_id=slack_id,
            person_id=actor.id,
            name=storable(name, 120),
            size=data_size,
            sha256=sha256,
            permalink=permalink,
            content=dict(content),
            created_at=now,
        )
        session.add(row)
        session.flush()
    return _file_record(row)


def forget_files(session: Session, *, now: datetime) -> None:
    """Let go of what nobody said what it is."""
    queries.forget_files(session, now - KEPT)


def find_file(session: Session, actor: Actor, slack_id: str) -> Shared:
    """A file that the actor shared. Raises NotFound."""
    row = queries.find_file(session, slack_id)
    if row is None or row.person_id != actor.id:
        raise NotFound("mlgov does not have this file any more: share it again.")
    return _file_record(row)


def _file_record(row: SharedFile) -> Shared:
    return Shared(row.slack_id, row.name, row.size, row.sha256, row.permalink, row.content)


def list_fields(file: Shared, type_: str, counted: Counts | None = None) -> dict[str, Any]:
    """What a file gives to evidence of a type; `counted` are the groups in it, where its rows were counted.

    Raises InvalidInput for rows of people that nobody counted.
    """
    if type_ == FAIRNESS and counted is None and file.has_rows:
        raise InvalidInput(
            "Rows of people are not taken here. `mlgov fairness FILE --truth … --prediction … --group … --submit NAME:VERSION` counts them on your "
            "own machine and hands in the groups alone.",
            field="type",
        )
    given: dict[str, Any] = {"sha256": file.sha256, "uri": file.permalink or None}
    if counted is not None:
        given["fairness"] = counted.model_dump(mode="json")
    if type_ == FAIRNESS and "fairness" in file.content:
        given["fairness"] = file.content["fairness"]
    if type_ == CARD and "card" in file.content:
        given["card"] = file.content["card"]
    if type_ == EXPLAINED and "explained" in file.content:
        given["explained"] = file.content["explained"]
    return given
