"""Evidence as other parts of mlgov see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.enums import EvidenceStatus
from workflows.evidence.explanations import Explained
from workflows.evidence.fairness import Judged
from workflows.evidence.forms import CardText, Measure, Watched


@dataclass(frozen=True, slots=True)
class Item:
    """One item. Names and words are unescaped; `producer` is a person's name or what a program is called."""

    id: int
    version_id: int
    type: str
    status: EvidenceStatus
    sha256: str | None
    uri: str | None
    content: Mapping[str, Any]
    summary: str
    producer: str
    producer_id: str | None
    produced_at: datetime
    valid_until: datetime | None
    decider: str = ""
    decided_at: datetime | None = None
    word: str = ""
    waiver_owner: str = ""
    revision: int = 1
    failed: tuple[Measure, ...] = field(default=())
    """Metrics that do not keep to their thresholds."""

    @property
    def metrics(self) -> tuple[Measure, ...]:
        """What was measured."""
        return tuple(Measure(**one) for one in self.content.get("metrics", ()))

    @property
    def watched(self) -> tuple[Watched, ...]:
        """What is to be watched in use."""
        return tuple(Watched(**one) for one in self.content.get("watched", ()))

    @property
    def outcome(self) -> str:
        """What a validation came to; empty for other types."""
        return str(self.content.get("outcome", ""))

    @property
    def fairness(self) -> Judged | None:
        """The comparison of groups, where mlgov computed it."""
        stored = self.content.get("fairness")
        return Judged.model_validate(stored) if stored else None

    @property
    def explained(self) -> Explained | None:
        """What drives the answers, where that was handed in as figures."""
        stored = self.content.get("explained")
        return Explained.model_validate(stored) if stored else None

    @property
    def card(self) -> CardText | None:
        """The sections of a model card, where its file was read."""
        stored = self.content.get("card")
        return CardText.model_validate(stored) if stored else None

    @property
    def is_file(self) -> bool:
        """Whether the digest is that of a file; else it stands for its figures, its link and its words."""
        return self.content.get("digest_of") == "file"

    @property
    def flags(self) -> tuple[str, ...]:
        """What nobody accepts without words, each a phrase."""
        return tuple(self.content.get("flags", ()))

    def is_good(self, now: datetime) -> bool:
        """Whether it still holds at that time."""
        return self.valid_until is None or self.valid_until > now
