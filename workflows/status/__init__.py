"""The read model behind `/mlgov`, `/mlgov status` and App Home: every workflow in one look, in few statements."""

from workflows.status.reads import (
    find_project,
    list_seen_projects,
    load_home,
    load_part,
    load_portfolio,
    load_project,
    load_summary,
)

__all__ = [
    "find_project",
    "list_seen_projects",
    "load_home",
    "load_part",
    "load_portfolio",
    "load_project",
    "load_summary",
]
