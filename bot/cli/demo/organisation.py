"""The demo's organisation: an invented car maker with twelve people in three cities and eight projects."""

from dataclasses import dataclass
from typing import Any

from bot.cli.demo import pipeline

TEAM = "T0HALDEN"
LONDON, NEW_YORK, TOKYO = "Europe/London", "America/New_York", "Asia/Tokyo"

MAYA, TOMAS, PRIYA, HENRIK = "U0MAYA", "U0TOMAS", "U0PRIYA", "U0HENRIK"
SOFIA, KENJI, YUKI, GRACE = "U0SOFIA", "U0KENJI", "U0YUKI", "U0GRACE"
OMAR, ELENA, DANIEL, AIKO = "U0OMAR", "U0ELENA", "U0DANIEL", "U0AIKO"
LUCAS, NOA = "U0LUCAS", "U0NOA"


@dataclass(frozen=True, slots=True)
class Member:
    """One person: Slack id, name, title, zone, manager's Slack id, persona and country."""

    id: str
    name: str
    title: str
    tz: str
    manager: str
    persona: str
    country: str


MEMBERS = (
    Member(GRACE, "Grace Lin", "Chief risk officer", NEW_YORK, "", "executive", "US"),
    Member(MAYA, "Maya Okafor", "Head of customer care", LONDON, GRACE, "leader", "GB"),
    Member(
        TOMAS,
        "Tomás Ferreira",
        "Project manager, Ticket triage",
        LONDON,
        MAYA,
        "project manager",
        "GB",
    ),
    Member(PRIYA, "Priya Nair", "Finance partner", LONDON, GRACE, "finance", "GB"),
    Member(HENRIK, "Henrik Dahl", "Finance partner", NEW_YORK, GRACE, "finance", "US"),
    Member(SOFIA, "Sofia Rossi", "Machine learning lead", NEW_YORK, GRACE, "leader", "US"),
    Member(KENJI, "Kenji Mori", "Head of vision", TOKYO, GRACE, "leader", "JP"),
    Member(YUKI, "Yuki Tanaka", "Data scientist", TOKYO, KENJI, "data scientist", "JP"),
    Member(OMAR, "Omar Haddad", "ML engineer", LONDON, SOFIA, "ml engineer", "GB"),
    Member(ELENA, "Elena Petrova", "Data scientist", NEW_YORK, SOFIA, "data scientist", "US"),
    Member(
        DANIEL,
        "Daniel Weiss",
        "Platform engineer, runs mlgov",
        LONDON,
        SOFIA,
        "it operations",
        "GB",
    ),
    Member(AIKO, "Aiko Sato", "Product manager", TOKYO, KENJI, "product manager", "JP"),
)


@dataclass(frozen=True, slots=True)
class DemoProject:
    """One project: who answers for it, its channel, and how it spends.

    `daily` is its usual cost of a day in EUR, `rises` the day of January from which it doubles (0: it does not),
    `budget` what it may spend in January.
    """

    key: str
    name: str
    owner: str
    manager: str
    sponsor: str
    unit: str
    category: str
    channel: str
    budget: int
    daily: int
    rises: int = 0


PROJECTS = (
    DemoProject("ticket-triage", "Ticket triage", MAYA, TOMAS, GRACE, "Customer care", "optimization", "ticket-triage", 40000, 1340, 15),
    DemoProject("lane-vision", "Lane vision", KENJI, AIKO, GRACE, "Driver assistance", "innovation", "lane-vision", 90000, 3250),
    DemoProject("parts-demand", "Parts demand", SOFIA, ELENA, GRACE, "Supply chain", "decision", "parts-demand", 24000, 735),
    DemoProject("churn-forecast", "Churn forecast", MAYA, ELENA, GRACE, "Customer care", "decision", "churn-forecast", 12000, 210),
    DemoProject("route-planner", "Route planner", SOFIA, OMAR, GRACE, "Supply chain", "optimization", "route-planner", 18000, 330),
    DemoProject("voice-intake", "Voice intake", MAYA, TOMAS, GRACE, "Customer care", "optimization", "voice-intake", 15000, 290),
    DemoProject("warranty-fraud", "Warranty fraud", SOFIA, OMAR, GRACE, "Finance", "decision", "warranty-fraud", 20000, 420),
    DemoProject("battery-health", "Battery health", KENJI, YUKI, GRACE, "Driver assistance", "decision", "battery-health", 16000, 270, 20),
)  # fmt: skip

EVERYONE = [member.id for member in MEMBERS]


def world() -> dict[str, Any]:
    """The workspace as the stand-in for Slack takes it."""
    return {
        "teams": [
            {"id": TEAM, "name": "Halden Motors", "domain": "halden"},
            {
                "id": "T0NORTH",
                "name": "Northlight Labelling",
                "domain": "northlight",
                "foreign": True,
            },
        ],
        "app": {
            "id": "A0MLGOV",
            "name": "mlgov",
            "bot_user_id": "U0MLGOV",
            "bot_id": "B0MLGOV",
            "team": TEAM,
        },
        "users": [
            *(
                {
                    "id": member.id,
                    "name": member.name.split()[0].casefold(),
                    "real_name": member.name,
                    "email": f"{member.name.split()[0].casefold()}@halden.example",
                    "title": member.title,
                    "tz": member.tz,
                    "team": TEAM,
                    "is_admin": member.id == DANIEL,
                }
                for member in MEMBERS
            ),
            {
                "id": LUCAS,
                "name": "lucas",
                "real_name": "Lucas Meyer",
                "title": "Contractor (guest)",
                "tz": LONDON,
                "team": TEAM,
                "is_restricted": True,
            },
            {
                "id": NOA,
                "name": "noa",
                "real_name": "Noa Levi",
                "title": "Northlight Labelling",
                "tz": LONDON,
                "team": "T0NORTH",
            },
        ],
        "channels": [
            {"name": "general", "members": [*EVERYONE, LUCAS], "is_general": True},
            {
                "name": "ml-governance",
                "members": [GRACE, MAYA, SOFIA, KENJI, PRIYA, HENRIK, DANIEL],
                "app": True,
            },
            {"name": "ml-audit", "members": [GRACE, PRIYA, DANIEL], "app": True},
            {"name": "mlgov-admin", "members": [DANIEL, SOFIA], "app": True, "is_private": True},
            *(_channel(project) for project in PROJECTS),
        ],
        "usergroups": [
            {
                "id": "S0FINANCE",
                "handle": "finance-partners",
                "name": "Finance partners",
                "users": [PRIYA, HENRIK],
            },
            {"id": "S0ADMINS", "handle": "mlgov-admins", "name": "mlgov admins", "users": [DANIEL]},
            {
                "id": "S0LEADERS",
                "handle": "ml-leaders",
                "name": "ML leaders",
                "users": [GRACE, MAYA, SOFIA, KENJI],
            },
            {"id": "S0RISK", "handle": "model-risk", "name": "Model risk", "users": [HENRIK]},
        ],
    }


def _channel(project: DemoProject) -> dict[str, Any]:
    people = dict.fromkeys([project.owner, project.manager, project.sponsor, SOFIA, DANIEL])
    channel: dict[str, Any] = {"name": project.channel, "members": list(people), "app": True}
    if project.key == "warranty-fraud":
        channel["members"].append(LUCAS)
    if project.key == "lane-vision":
        channel["members"].append(YUKI)
    if project.key == "voice-intake":
        channel["members"].append(NOA)
        channel["teams"] = [TEAM, "T0NORTH"]
    return channel


def people_csv() -> str:
    """The people as a file that `mlgov import people` takes."""
    lines = ["slack_id,manager,business_unit,persona,country"]
    units = {project.owner: project.unit for project in PROJECTS}
    for member in MEMBERS:
        unit = units.get(member.id) or units.get(member.manager, "")
        lines.append(f"{member.id},{member.manager},{unit},{member.persona},{member.country}")
    return "\n".join(lines) + "\n"


def projects_csv() -> str:
    """The projects as a file that `mlgov import projects` takes."""
    lines = ["key,name,owner,sponsor,manager,business_unit,category,status,channel,accounts"]
    lines += [
        f"{p.key},{p.name},{p.owner},{p.sponsor},{p.manager},{p.unit},{p.category},in_progress,#{p.channel},"
        f"Halden {p.name}"
        for p in PROJECTS
    ]
    return "\n".join(lines) + "\n"


def budgets_csv(starts: str) -> str:
    """The budgets as a file that `mlgov import budgets` takes; `starts` is an ISO date."""
    lines = ["project,period,starts,amount,currency,basis,owner,thresholds"]
    lines += [
        f"{p.key},month,{starts},{p.budget},EUR,effective,{p.owner},50;80;100" for p in PROJECTS
    ]
    return "\n".join(lines) + "\n"


POLICY = (
    """\
# The demo's policy. Finance is asked first, then whoever owns the budget.
version: 1

organisation:
  name: Halden Motors
  timezone: Europe/London
  fiscal_year_starts: january

channels:
  governance: "#ml-governance"
  audit: "#ml-audit"
  admin: "#mlgov-admin"

roles:
  admin: ["@mlgov-admins"]
  finance: ["@finance-partners"]
  leader: ["@ml-leaders"]
  model_risk: ["@model-risk"]
  operations: ["@mlgov-admins"]

gates:
  budget_increase:
    stages:
      - name: Finance
        approvers: [role:finance]
      - name: Budget owner
        approvers: [subject.owner]
    ask: channel
    expires_after: 3d
"""
    + pipeline.POLICY
    + """  model_approval:
    stages:
      - name: Model risk
        approvers: [role:model_risk]
      - name: Sponsor
        when: model.tier == 1
        approvers: [subject.sponsor]
    auto_approve: model.tier == 3 && evidence.waived == 0 && evidence.flagged == 0 && findings.open == 0
    expires_after: 5d
    valid_for: 365d
"""
    + """
costs:
  basis: effective

budgets:
  thresholds: [50, 80, 100]

digests:
  weekly: {audience: role:leader, at: Mon 09:00, owner: role:admin}
"""
)
