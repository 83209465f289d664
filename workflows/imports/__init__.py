"""Tables that an organisation brings: people, projects and budgets."""

from workflows.imports.reports import Report, lines
from workflows.imports.runs import Request, run

__all__ = ["Report", "Request", "lines", "run"]
