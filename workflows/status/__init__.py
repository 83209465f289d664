"""The read model behind `/mlgov`, `/mlgov status` and App Home: every workflow in one look, in few statements."""

from workflows.status.reads import (
    find_project,
    home,
    part,
    portfolio,
    project,
    seen_projects,
    summary,
)

__all__ = ["find_project", "home", "part", "portfolio", "project", "seen_projects", "summary"]
