"""Tokens, statements and webhooks of the HTTP API."""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
