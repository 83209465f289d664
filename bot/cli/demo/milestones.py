"""What the demo's projects have promised, as a table: most of it on track, two overdue, and a slip that moves a launch."""

from datetime import date, timedelta

from bot.cli.demo import organisation as org

PLAN = (
    # project, title, kind, owner, planned, due, met, needs: days from the day on which the story opens
    ("ticket-triage", "Business case signed", "business case", org.TOMAS, -75, -75, -76, ""),
    ("ticket-triage", "Multilingual model validated", "validation", org.OMAR, 23, 23, None, ""),
    ("ticket-triage", "Rollout to all service desks", "deployed", org.OMAR, 51, 51, None, "Multilingual model validated"),
    ("lane-vision", "Winter test data labelled", "data ready", org.YUKI, -7, 9, None, ""),
    ("lane-vision", "Validation report", "validation", org.YUKI, 14, 18, None, "Winter test data labelled"),
    ("lane-vision", "Night driving release", "deployed", org.AIKO, 35, 35, None, "Validation report"),
    ("parts-demand", "Second warehouse live", "deployed", org.ELENA, -3, -3, None, ""),
    ("parts-demand", "Benefits review", "benefits review", org.SOFIA, 64, 64, None, "Second warehouse live"),
    ("churn-forecast", "Prototype shown to care team", "prototype", org.ELENA, 2, 2, None, ""),
    ("churn-forecast", "Intake approved for retail", "intake approved", org.ELENA, 30, 30, None, ""),
    ("route-planner", "First value measured", "first value", org.OMAR, 8, 8, None, ""),
    ("voice-intake", "Retraining plan agreed", "other", org.SOFIA, 44, 44, None, ""),
    ("warranty-fraud", "Model risk approval", "approval", org.OMAR, -12, -12, None, ""),
    ("warranty-fraud", "Live in claims desk", "deployed", org.OMAR, 16, 16, None, "Model risk approval"),
    ("battery-health", "Data sheet", "data ready", org.YUKI, 1, 1, None, ""),
    ("battery-health", "Field test starts", "validation start", org.YUKI, 28, 28, None, "Data sheet"),
)  # fmt: skip


def csv(opens: date) -> str:
    """The table, for a story that opens on that day."""

    def day(offset: int | None) -> str:
        return "" if offset is None else str(_working(opens + timedelta(days=offset)))

    lines = ["project,title,type,owner,baseline,forecast,actual,needs"]
    lines += [
        f"{project},{title},{kind},{owner},{day(planned)},{day(due)},{day(met)},{needs}"
        for project, title, kind, owner, planned, due, met, needs in PLAN
    ]
    return "\n".join(lines) + "\n"


def _working(day: date) -> date:
    """Nobody promises anything for a weekend: the Friday before."""
    return day - timedelta(days=max(0, day.weekday() - 4))
