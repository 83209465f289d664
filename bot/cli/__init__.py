"""The `mlgov` command. Importing this loads neither Slack nor the database: each command imports what it uses."""

from bot.cli.main import main

__all__ = ["main"]
