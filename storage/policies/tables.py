"""Every policy text that was ever in force, since a request stays bound to the version it was opened under."""

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class PolicyVersion(Base):
    """One applied governance.yml, identified by the digest of its text."""

    __tablename__ = "policy_version"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    text: Mapped[str] = mapped_column(Text)
    applied_at: Mapped[datetime]
