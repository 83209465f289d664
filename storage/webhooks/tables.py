"""Webhooks: systems outside that follow the ledger."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Webhook(Base):
    """One subscription. Its secret isn't stored: it is derived from the deployment's key and the id."""

    __tablename__ = "webhook"

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    events: Mapped[list[Any]]
    """Actions of the ledger: `approval.approved`, `approval.*` or `*`."""
    seq: Mapped[int]
    """The last entry of the ledger that was examined for it."""
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
