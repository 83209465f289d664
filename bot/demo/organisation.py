"""A gate for releases in the demo's policy, and a token for whoever wants to play the pipeline in a terminal."""

import csv
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from bot import app
from bot.deps import Deps
from storage.enums import Scope
from workflows import imports
from workflows.context import OPERATOR, Actor
from workflows.maturity import rules
from workflows.maturity import service as maturity_service
from workflows.maturity.forms import SetTargets
from workflows.people import service as people
from workflows.tokens import service
from workflows.tokens.service import NewToken

if TYPE_CHECKING:
    from bot.demo.command import Demo

PIPELINE_POLICY = """\
  production_release:
    stages:
      - name: Owner
        approvers: [subject.owner]
    expires_after: 1d
"""
"""Follows the other gates."""


def command(bot: app.Bot, url: str) -> str:
    """The command by which a pipeline asks at that gate, with a token made for it; `url` is where the API is."""
    deps = bot.deps
    with deps.db.begin() as session:
        secret, _ = service.create(
            deps.context(session, OPERATOR),
            NewToken(
                name="demo-pipeline",
                scopes=(Scope.ASK, Scope.READ, Scope.STATUS),
                projects=("ticket-triage",),
                lasts=timedelta(days=30),
            ),
        )
    return (
        f"MLGOV_URL={url} MLGOV_TOKEN={secret} mlgov gate --gate production-release "
        f"--subject triage-model:7 --digest sha256:{'7' * 64} --environment production --statement statement.json"
    )


def verification(url: str) -> str:
    """The commands by which whoever deploys checks the statement; `url` is where the API is."""
    return (
        f"curl -s {url}/api/v1/keys > mlgov.pub && mlgov verify statement.json --key mlgov.pub "
        f"--digest sha256:{'7' * 64} --gate production-release --environment production --status {url}"
    )


# --- The demo's organisation
#
# an invented car maker with twelve people in three cities and eight projects.

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


CASES = (
    # project, driver, benefits and costs a month, confidence, feasibility, tier, what is measured, now, aim.
    # The dull one is worth most; the one that everybody talks about is worth least.
    ("parts-demand", "cost_saved", "150,000 / 180,000 / 210,000", "22,000", "80 %", "95 %", 3, "Parts written off, % of stock", 7, 4),
    ("warranty-fraud", "risk_avoided", "70,000 / 110,000 / 160,000", "14,000", "70 %", "90 %", 1, "Claims paid wrongly a month", 61, 20),
    ("route-planner", "cost_saved", "45,000 / 60,000 / 70,000", "11,000", "70 %", "90 %", 3, "Kilometres a delivery", 14, 12),
    ("ticket-triage", "cost_saved", "60,000 → 95,000", "41,000", "80 %", "95 %", 2, "Minutes to route a ticket", 12, 4),
    ("churn-forecast", "revenue", "10,000 / 40,000 / 90,000", "7,000", "50 %", "80 %", 2, "Customers lost a quarter, %", 6, 5),
    ("voice-intake", "cost_saved", "18,000 / 24,000 / 30,000", "10,000", "60 %", "80 %", 2, "Calls answered by itself, %", 0, 30),
    ("lane-vision", "revenue", "0 → 400,000", "95,000", "25 %", "40 %", 1, "Lanes kept in night tests, %", 81, 99),
)  # fmt: skip


def cases_csv(starts: str) -> str:
    """Their business cases as a file that `mlgov import cases` takes; Battery health was never estimated."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(
        [
            "project",
            "starts",
            "months",
            "currency",
            "benefit_driver",
            "benefits",
            "cost_driver",
            "costs",
            "confidence",
            "feasibility",
            "tier",
            "metric",
            "baseline",
            "target",
        ]
    )
    for key, driver, benefits, costs, sure, feasible, tier, metric, now, aim in CASES:
        writer.writerow(
            [
                key,
                starts,
                36,
                "EUR",
                driver,
                benefits,
                "compute",
                costs,
                sure,
                feasible,
                tier,
                metric,
                now,
                aim,
            ]
        )
    return table.getvalue()


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
    + PIPELINE_POLICY
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
  business_case:
    stages:
      - name: Sponsor
        approvers: [subject.sponsor]
      - name: Finance
        when: case.costs > 50000.0
        approvers: [role:finance]
    expires_after: 14d
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


# --- The demo's people, projects and budgets, through the import that everybody uses


def bring_in(deps: Deps, kind: str, path: Path) -> None:
    """Import one table. Raises RuntimeError when any row of it is refused."""
    report = imports.run(
        deps.db, imports.Request(kind, path), policy=deps.policy, org_key=deps.team.org_key
    )
    if report.refused:
        raise RuntimeError("\n".join(imports.lines(report)))


# --- Sixty days of invented cloud cost, and two weeks ahead, as a FOCUS 1.0 file; the same for
#     the same day

COLUMNS = (
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingAccountId", "BillingPeriodStart", "BillingPeriodEnd",
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeDescription", "ProviderName", "ServiceName",
    "SubAccountId", "SubAccountName", "ResourceId", "Tags",
)  # fmt: skip

SERVICES = (
    ("GPU instances", Decimal("0.58")),
    ("Managed training", Decimal("0.17")),
    ("Object storage", Decimal("0.11")),
    ("Model endpoints", Decimal("0.14")),
)

DAYS_BACK, DAYS_AHEAD = 60, 14


def write(path: Path, today: date) -> None:
    """Write the file for a demo that opens on `today`. Days ahead are not counted until the clock gets there."""
    chance = random.Random(f"halden {today.isoformat()}")  # noqa: S311 - invented cost, not a secret
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for back in range(DAYS_BACK, -DAYS_AHEAD - 1, -1):
            day = today - timedelta(days=back)
            for number, project in enumerate(PROJECTS):
                for service, share in SERVICES:
                    rises = project.rises and day >= today.replace(day=1) + timedelta(
                        days=project.rises - 1
                    )
                    factor = Decimal(2 if rises and service == "GPU instances" else 1)
                    noise = Decimal(chance.randint(880, 1120)) / 1000
                    cost = (project.daily * share * factor * noise).quantize(
                        Decimal("0.0000000001")
                    )
                    writer.writerow(
                        _row(
                            day,
                            cost,
                            service,
                            f"40010{number:02}",
                            f"Halden {project.name}",
                            project,
                        )
                    )
            cost = (
                Decimal(chance.randint(40, 90)) + Decimal(chance.randint(0, 99)) / 100
            ).quantize(Decimal("0.01"))
            writer.writerow(_row(day, cost, "GPU instances", "4001099", "Halden Scratch", None))


def _row(
    day: date, cost: Decimal, service: str, account: str, name: str, project: DemoProject | None
) -> list[str]:
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return [
        f"{cost:f}",
        f"{cost:f}",
        "EUR",
        "halden-cloud",
        f"{first}T00:00:00Z",
        f"{following}T00:00:00Z",
        f"{day}T00:00:00Z",
        f"{day + timedelta(days=1)}T00:00:00Z",
        "Usage",
        f"{service} in {name}",
        "Northern Cloud",
        service,
        account,
        name,
        f"res-{account}-{service.casefold().replace(' ', '-')}",
        json.dumps({"team": project.unit} if project else {}),
    ]


# --- What the demo's projects have promised, as a table
#
# most of it on track, two overdue, and a slip that moves a launch.

PLAN = (
    # project, title, kind, owner, planned, due, met, needs: days from the day on which the story opens
    ("ticket-triage", "Business case signed", "business case", TOMAS, -75, -75, -76, ""),
    ("ticket-triage", "Multilingual model validated", "validation", OMAR, 23, 23, None, ""),
    ("ticket-triage", "Rollout to all service desks", "deployed", OMAR, 51, 51, None, "Multilingual model validated"),
    ("lane-vision", "Winter test data labelled", "data ready", YUKI, -7, 9, None, ""),
    ("lane-vision", "Validation report", "validation", YUKI, 14, 18, None, "Winter test data labelled"),
    ("lane-vision", "Night driving release", "deployed", AIKO, 35, 35, None, "Validation report"),
    ("parts-demand", "Second warehouse live", "deployed", ELENA, -3, -3, None, ""),
    ("parts-demand", "Benefits review", "benefits review", SOFIA, 64, 64, None, "Second warehouse live"),
    ("churn-forecast", "Prototype shown to care team", "other", ELENA, 2, 2, None, ""),
    ("churn-forecast", "Intake approved for retail", "intake approved", ELENA, 30, 30, None, ""),
    ("route-planner", "First value measured", "first value", OMAR, 8, 8, None, ""),
    ("voice-intake", "Retraining plan agreed", "other", SOFIA, 44, 44, None, ""),
    ("warranty-fraud", "Model risk approval", "approval", OMAR, -12, -12, None, ""),
    ("warranty-fraud", "Live in claims desk", "deployed", OMAR, 16, 16, None, "Model risk approval"),
    ("battery-health", "Data sheet", "data ready", YUKI, 1, 1, None, ""),
    ("battery-health", "Field test starts", "validation start", YUKI, 28, 28, None, "Data sheet"),
)  # fmt: skip


def milestones_csv(opens: date) -> str:
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


# --- The demo's check-ins
#
# one of last quarter with its result, and one that is open and asks Maya.

MATURITY_POLICY = """
maturity:
  leaders: [persona:executive, persona:leader, persona:finance]
"""

LIKELY: Mapping[str, tuple[float, float]] = {
    "organisation": (0.95, 0.35),
    "data": (0.6, 0.2),
    "training": (0.95, 0.5),
    "deployment": (0.97, 0.9),
    "operations": (0.93, 0.4),
    "governance": (0.92, 0.45),
}
"""How likely somebody at Halden says yes, to what medium asks and to what high asks."""


def last_quarter(demo: "Demo", opens: datetime) -> None:
    """A check-in in October that everybody answered: its result is told in the channel."""
    deps = demo.running.deps
    began = (opens - timedelta(days=105)).astimezone(UTC)
    with deps.db.begin(patient=True) as session:
        lead = _actor(session, GRACE)
        cycle = maturity_service.start_check_in(deps.context(session, lead, now=began), None)
        for member in MEMBERS:
            _answer(demo, session, member.id, began + timedelta(days=2), better=False)
        maturity_service.close_check_in(
            deps.context(session, lead, now=began + timedelta(days=18)), cycle
        )
        maturity_service.set_targets(
            deps.context(session, lead, now=began + timedelta(days=19)),
            SetTargets(levels={"data": "medium", "governance": "medium"}),
        )


def this_quarter(demo: "Demo") -> None:
    """The one that is open: some have answered, Maya has not yet."""
    deps = demo.running.deps
    now = demo.clock.now()
    with deps.db.begin(patient=True) as session:
        maturity_service.start_check_in(
            deps.context(session, _actor(session, GRACE), now=now), None
        )
    demo.settle()
    with deps.db.begin(patient=True) as session:
        for user_id in (OMAR, ELENA, SOFIA, DANIEL, HENRIK):
            _answer(demo, session, user_id, now, better=True)
    demo.settle()


def _actor(session: Session, slack_id: str) -> Actor:
    actor = people.actor_by_slack_id(session, TEAM, slack_id)
    if actor is None:
        raise RuntimeError(f"the demo's story does not hold: nobody is {slack_id}")
    return actor[0]


def _answer(demo: "Demo", session: Session, user_id: str, now: datetime, *, better: bool) -> None:
    """All answers of one person, the same in every run."""
    deps = demo.running.deps
    actor = _actor(session, user_id)
    mine = maturity_service.open_invitation(deps.context(session, actor))
    if mine is None:
        return
    chance = random.Random(f"{user_id} {now:%Y-%m}")  # noqa: S311 - invented answers, not a secret
    answers: dict[str, tuple[str | None, str | None]] = {}
    for dimension in rules.load().rubric.dimensions:
        for likely, statements in zip(
            LIKELY[dimension.key], (dimension.medium, dimension.high), strict=True
        ):
            for statement in statements:
                roll = chance.random() - (0.15 if better else 0)
                answers[statement.id] = (
                    None,
                    "yes"
                    if roll < likely
                    else "partly"
                    if roll < likely + 0.25
                    else "unknown"
                    if roll > 0.97
                    else "no",
                )
    maturity_service.keep_window_answers(deps.context(session, actor, now=now), mine.id, answers)
