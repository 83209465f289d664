"""What others must be told about budgets."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class ThresholdCrossed(Notice):
    """A budget reached a threshold."""

    kind: ClassVar[str] = "budgets.threshold_crossed"
    alert_id: int


@dataclass(frozen=True, slots=True)
class ChannelNotClosed(Notice):
    """A project's channel is read by people from outside, so its cards show no amounts there."""

    kind: ClassVar[str] = "budgets.channel_not_closed"
    project_id: int


@dataclass(frozen=True, slots=True)
class LoadRefused(Notice):
    """A cost load would have changed a closed bill so much that it was refused."""

    kind: ClassVar[str] = "budgets.load_refused"
    source: str
    billing_period: str
    why: str
