"""Tables that an organisation brings: people, projects and budgets."""

from workflows.imports.reports import Report, Request, lines
from workflows.imports.runs import run

__all__ = ["Report", "Request", "lines", "run"]
