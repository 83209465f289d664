"""What is sent about models, and read apart from whoever answers people: evidence, predictions, files shared in Slack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bot.inventory.resources import NewEvidence
from workflows.errors import InvalidInput, first_fault
from workflows.evidence import fairness, sharing
from workflows.evidence.fairness import Counts
from workflows.sources import predictions
from workflows.sources.apart import Job
from workflows.sources.apart.work import json_of
from workflows.sources.predictions import Columns


def _evidence(path: Path, _asked: None) -> NewEvidence:
    form = NewEvidence.model_validate(json_of(path))
    try:
        form.form()
    except ValidationError as error:
        place, sentence = first_fault(error)
        raise InvalidInput(sentence, field=place or None) from None
    return form


EVIDENCE = Job(
    "bot.inventory.uploads:EVIDENCE", _evidence, TypeAdapter(type(None)), TypeAdapter(NewEvidence)
)
"""The body of a call that hands in evidence."""


@dataclass(frozen=True, slots=True)
class Counting:
    """Which columns of predictions say what, what people call the file, and how few people make no group."""

    columns: Columns
    name: str
    least: int


def _count(path: Path, asked: Counting) -> Counts:
    cells = predictions.read(path, asked.columns, name=asked.name, is_sent=True)
    return fairness.count_groups(cells, asked.least)


COUNT = Job("bot.inventory.uploads:COUNT", _count, TypeAdapter(Counting), TypeAdapter(Counts))
"""A file of predictions; no row of a person comes back."""


def _understand(path: Path, name: str) -> dict[str, Any]:
    return sharing.read_content(name, path.read_bytes())


UNDERSTAND = Job(
    "bot.inventory.uploads:UNDERSTAND", _understand, TypeAdapter(str), TypeAdapter(dict[str, Any])
)
"""A file that somebody shared: what it says as evidence, nothing for any other document."""
