"""Tables that an organisation brings: people, projects and budgets."""

from workflows.imports.runs import Report, Request, lines, run

__all__ = ["Report", "Request", "lines", "run"]
