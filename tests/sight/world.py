"""A running mlgov with a project that is nobody else's business, and whoever tries to look at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from storage.approvals.tables import Approval
from storage.budgets.tables import Budget, BudgetAlert
from storage.cases import returns as case_returns
from storage.cases.tables import CaseCheck
from storage.digests.tables import Digest, DigestRelease
from storage.enums import Driver, EuClass, Exposure, Level, ModelKind, PurposeClass, Severity
from storage.milestones.tables import Milestone, MilestoneImport
from storage.projects.tables import Project
from tests.api.conftest import GATES
from tests.budgets.conftest import days
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, Office, opened, organisation
from workflows.approvals import approvers, submission
from workflows.approvals.approvers import Away
from workflows.approvals.forms import SubmitRequest
from workflows.budgets.forms import IncreaseBudget
from workflows.cases import asking, checks, returns
from workflows.cases import service as cases
from workflows.cases.arrival import CaseStanding
from workflows.cases.forms import CaseLine, KeepFrame, KeepIdea, Propose
from workflows.cases.return_forms import ReportReturn
from workflows.context import Actor, Context
from workflows.evidence import service as evidence_service
from workflows.evidence.forms import SubmitEvidence
from workflows.inventory import evidence as inventory_evidence
from workflows.inventory import findings, service
from workflows.inventory.forms import AddVersion, FileFinding, RegisterModel
from workflows.maturity import service as maturity
from workflows.maturity.forms import SetTargets
from workflows.maturity.rules import DIMENSIONS
from workflows.milestones import service as milestone_service
from workflows.milestones.forms import AddMilestone
from workflows.people import service as people
from workflows.tokens import service as tokens

NED, PIA, LEA, BOB, LIA = "U0NED", "U0PIA", "U0LEA", "U0BOB", "U0LIA"
"""Ned is a member who sees nothing of it, Pia only reads its channel, Lea has left, Bob is another app, Lia leads."""
POLICY = GATES.replace(
    '  finance: ["@finance"]\n',
    f'  finance: ["@finance"]\n  leader: ["{LIA}"]\n  model_risk: ["{LIA}"]\n',
) + (
    "maturity: {leaders: [], practitioners: ["
    + ", ".join(f'"{one}"' for one in (OLA, TIM, FAY, FRED, ADA))
    + "]}\n"
    "digests: {weekly: {at: Mon 09:00, owner: role:leader, audience: [role:leader]}}\n"
)
MARKS = (
    "quagga-vault", "Quagga", "77731", "77,731", "88117", "88,117", "60504", "60,504",
    "Okapi", "Tapir", "Bongo", "Kudu", "Nyala", "Gerenuk", "Dikdik", "Sitatunga", "Hirola", "Oryx",
    "93139", "93,139", "Oribi",
)  # fmt: skip
"""Words and amounts that stand nowhere but in what is out of sight: its names, amounts, reasons and findings."""
KEY, MODEL = "quagga-vault", "tapir"


def whole() -> dict[str, Any]:
    """The office, with those who try, and a channel of the project that they are not in."""
    world = organisation()
    for id_, name, more in (
        (NED, "Ned", {}),
        (LEA, "Lea", {"deleted": True}),
        (BOB, "Bob", {"is_bot": True}),
        (LIA, "Lia", {}),
        (PIA, "Pia", {}),
    ):
        world["users"].append(
            {
                "id": id_,
                "name": name.casefold(),
                "real_name": name,
                "tz": "Europe/London",
                "team": "T0ACME",
                **more,
            }
        )
    world["channels"].append({"id": "C0OPEN", "name": "open", "members": [OLA, NED], "app": True})
    world["channels"].append(
        {"id": "C0VAULT", "name": "vault", "members": [OLA, TIM, FAY, PIA], "app": True}
    )
    return world


@dataclass(slots=True)
class Planted:
    """Ids of what is out of sight, or of nothing at all; what a payload forges is made of them."""

    project: str
    model_key: str
    budget: int
    alert: int
    request: int
    revision: int
    milestone: int
    milestone_list: int
    model: int
    version: int
    evidence: int
    finding: int
    cycle: int
    invitation: int
    digest: int
    release: int
    absence: int
    condition: int
    token: str
    file: str
    unit: str
    person: str
    case: int
    case_revision: int
    check: int
    project_id: int
    returned: int
    asking: int
    place: str = ":"
    """`channel:ts` of the card that the forger claims to stand before."""


ABSENT = Planted(
    project="quokka-vaults", model_key="tapis", budget=990001, alert=990002,
    request=990003, revision=1, milestone=990004, milestone_list=990005, model=990006,
    version=990007, evidence=990008, finding=990009, cycle=990010, invitation=990011,
    digest=990012, release=990013, absence=990014, condition=990015,
    token="mlgov_p_00000000", file="F0NOTHERE01", unit="Nowhere", person=OLA,
    case=990016, case_revision=1, check=990020, project_id=990017, returned=990018, asking=990019,
)  # fmt: skip
"""What is forged beside it: nothing of ours has these ids."""


def actor(office: Office, slack_id: str) -> Actor:
    with office.db.read() as session:
        met = people.actor_by_slack_id(session, office.bot.deps.team.org_key, slack_id)
    assert met is not None
    return met[0]


def plant(office: Office) -> Planted:
    """One of everything, in a project of Ola's that Tim manages; its budget passed a threshold."""
    deps, ola, tim = office.bot.deps, actor(office, OLA), actor(office, TIM)
    lia = actor(office, LIA)
    common = {"policy": deps.policy, "org": deps.team.org_key, "now": office.now()}
    office.project("other", "Another one", channel=None)
    office.project(KEY, "Quagga Vault", amount="77731", channel="C0VAULT")
    office.costs(days(date(2026, 1, 1), 20, "3025.2", account=f"acme {KEY}"))
    with office.db.begin(patient=True) as session:
        project = session.execute(select(Project).where(Project.key == KEY)).scalar_one()
        budget = session.execute(select(Budget).where(Budget.project_id == project.id)).scalar_one()
        alert = (
            session.execute(select(BudgetAlert.id).where(BudgetAlert.budget_id == budget.id))
            .scalars()
            .first()
        )
        assert alert is not None
        request = submission.submit_request(
            make_context(session, actor=tim, policy_id=deps.holder.version_id, **common),
            SubmitRequest(
                gate="budget_increase",
                subject_type="budget",
                form=IncreaseBudget(
                    budget_id=budget.id, revision=1, amount="88117", scope="period"
                ),
                reason="The Okapi recall doubled it.",
                request_key="okapi",
            ),
        )
        milestone = milestone_service.add_milestone(
            make_context(session, actor=ola, **common),
            AddMilestone(
                project=KEY, title="Sitatunga report", due=date(2026, 3, 2), request_key="sita"
            ),
        )
        listed = MilestoneImport(
            person_id=ola.id, sha256="ab" * 32, file="Dikdik.csv", created_at=office.now()
        )
        session.add(listed)
        session.flush()
        late = Milestone(
            project_id=project.id,
            title="Dikdik audit",
            type="other",
            owner_id=ola.id,
            baseline=date(2026, 1, 5),
            forecast=date(2026, 1, 5),
            import_id=listed.id,
            request_key="dik",
            created_by=ola.id,
            created_at=office.now(),
        )
        session.add(late)
        model = service.register_model(
            make_context(session, actor=ola, **common),
            RegisterModel(
                key=MODEL,
                name="Tapir score",
                kind=ModelKind.INTERNAL,
                project=KEY,
                owner_id=ola.id,
                purpose="Scores Tapir claims",
                exposure=Exposure.MEDIUM,
                purpose_class=PurposeClass.DECISION_SUPPORT,
                eu_class=EuClass.MINIMAL,
                request_key="tapir",
            ),
        )
        project.status = "in_progress"
        session.flush()
        version = service.add_version(
            make_context(session, actor=ola, **common),
            AddVersion(model_id=model, version="7.7", digest="ab" * 32, developers=(tim.id,)),
        )
        evidence = inventory_evidence.submit_evidence(
            make_context(session, actor=tim, policy=deps.policy, now=office.now()),
            version,
            SubmitEvidence(
                type="datasheet",
                summary="Kudu rows",
                sha256="cd" * 32,
                uri="https://acme.slack.com/files/U0OLA/F0KUDU00001/kudu.csv",
            ),
            "kudu",
        )
        finding = findings.file_finding(
            make_context(session, actor=ola, **common),
            FileFinding(
                model_id=model, version_id=version, words="Bongo is off", severity=Severity.HIGH
            ),
        )
        cycle = maturity.start_check_in(make_context(session, actor=lia, **common), None)
        maturity.set_targets(
            make_context(session, actor=lia, **common),
            SetTargets(business_unit="Gerenuk unit", levels={DIMENSIONS[0]: Level.HIGH}),
        )
        digest = Digest(
            kind="weekly",
            person_id=ola.id,
            week="2026-W05",
            audience="self",
            state="sent",
            first_day=date(2026, 1, 19),
            tz="Europe/London",
            planned_at=office.now(),
            late_at=office.now() + timedelta(days=4),
            content=None,
            created_at=office.now(),
        )
        release = DigestRelease(
            kind="weekly",
            audience="Nyala",
            week="2026-W05",
            state="waiting",
            first_day=date(2026, 1, 19),
            contents={},
            readers=3,
            created_at=office.now(),
        )
        session.add_all([digest, release])
        session.flush()
        absence = approvers.record_absence(
            make_context(session, actor=ola, **common),
            Away(stand_in=FAY, since=date(2026, 2, 2), until=date(2026, 2, 6)),
        )
        _, token = tokens.create_personal(
            make_context(session, actor=ola, now=office.now()), lasts=timedelta(days=7)
        )
        evidence_service.keep_file(
            make_context(session, actor=ola, now=office.now()),
            slack_id="F0KUDU00001",
            name="Kudu.csv",
            data_size=10,
            sha256="cd" * 32,
            permalink="https://acme.slack.com/files/U0OLA/F0KUDU00001/kudu.csv",
            content={},
        )
        case, case_revision = _plant_case(make_context(session, actor=ola, **common))
        check = CaseCheck(
            case_id=case,
            number=1,
            standing=checks.store_standing(
                CaseStanding("EUR", Decimal("60504"), Decimal("88117")), deps.policy.cases.material
            ),
            levels={"cost": 4},
            asked_id=ola.id,
            opened_at=office.now(),
        )
        session.add(check)
        session.flush()
        returned, asking = _plant_return(make_context(session, actor=ola, **common), project)
        revision = session.get_one(Approval, request).revision
        invitation = maturity.find_own(make_context(session, actor=ola, policy=deps.policy))
        assert invitation is not None
    office.settle()
    return Planted(
        project=KEY,
        model_key=MODEL,
        budget=budget.id,
        alert=alert,
        request=request,
        revision=revision,
        milestone=milestone,
        milestone_list=listed.id,
        model=model,
        version=version,
        evidence=evidence,
        finding=finding,
        cycle=cycle,
        invitation=invitation.id,
        digest=digest.id,
        release=release.id,
        absence=absence,
        condition=1,
        token=token.prefix,
        file="F0KUDU00001",
        unit="Gerenuk unit",
        person=OLA,
        case=case,
        case_revision=case_revision,
        check=check.id,
        project_id=project.id,
        returned=returned,
        asking=asking,
    )


def _plant_return(ctx: Context, project: Project) -> tuple[int, int]:
    """What came of the project, and a question about it; their ids."""
    note, days = "Oribi counted it.", {"starts": date(2026, 1, 1), "ends": date(2026, 1, 20)}
    form = ReportReturn(project_id=project.id, amount=Decimal("93139"), note=note, **days)
    project.live_on = date(2025, 10, 1)
    ctx.session.flush()
    asking.run_look(ctx.as_system(), project.id)
    (question, *_) = case_returns.list_askings(ctx.session, project.id)
    return returns.report(ctx, form), question.id


def _plant_case(ctx: Context) -> tuple[int, int]:
    """A business case of the project, half written; its id and revision."""
    case_id = cases.propose(ctx, Propose(title="Hirola idea", request_key="hirola"))
    at = {"case_id": case_id, "revision": 9}
    cases.keep_step(ctx, KeepIdea(**at, title="Hirola idea", problem="Oryx.", project=KEY))
    cases.keep_step(ctx, KeepFrame(**at, starts=date(2026, 3, 1), months=12, currency="EUR"))
    revision = cases.keep_line(ctx, CaseLine(**at, driver=Driver.REVENUE, amount="61,613"))
    return case_id, revision


@contextmanager
def planted(url: str, work: Path) -> Iterator[tuple[Office, Planted]]:
    """The office at work, and the ids of what is out of sight in it."""
    with opened(url, work, world=whole(), policy=POLICY) as office:
        yield office, plant(office)
