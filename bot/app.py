"""The composition root: builds a running mlgov from settings. Nothing connects when this is imported."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import FastAPI
from slack_bolt import App
from slack_sdk import WebClient
from sqlalchemy.orm import Session

from bot import anchor, logs, opening
from bot.approvals import activity as approval_renderers
from bot.approvals import api as approval_api
from bot.approvals import slack as approval_listeners
from bot.approvals import windows as approval_views
from bot.audit import messages as audit_renderers
from bot.audit.nightly import Nightly
from bot.background import Readers
from bot.budgets import api as budget_api
from bot.budgets import messages as budget_renderers
from bot.budgets import slack as budget_listeners
from bot.budgets.api import Costs
from bot.cases import api as case_api
from bot.cases import checks as case_checks
from bot.cases import return_api
from bot.cases import return_messages as return_renderers
from bot.cases import slack as case_listeners
from bot.delivery import sender
from bot.delivery.loop import Delivery
from bot.delivery.sender import Anchor
from bot.deps import Deps, PolicyHolder, Team
from bot.digests import messages as digest_renderers
from bot.digests.slack import Digests
from bot.inventory import api as inventory_api
from bot.inventory import api as inventory_papers
from bot.inventory import messages as inventory_renderers
from bot.inventory import monitoring
from bot.inventory import slack as inventory_listeners
from bot.inventory.api import NewEvidence
from bot.maturity import messages as maturity_renderers
from bot.maturity import slack as maturity_listeners
from bot.milestones import messages as milestone_renderers
from bot.milestones import slack as milestone_listeners
from bot.opening import SchemaWatch
from bot.people import erasure, mirroring
from bot.people import messages as people_renderers
from bot.registry import messages as registry_renderers
from bot.registry import slack as registry_listeners
from bot.registry import slack as registry_web
from bot.registry import sync
from bot.scheduler import Scheduler
from bot.settings import Settings, SettingsRefused
from bot.slack import dispatcher, installation
from bot.slack.client import Reach
from bot.slack.dispatcher import Edge
from bot.slack.requests import Router
from bot.statements import api as statement_api
from bot.statements.api import Issuer
from bot.status import api as project_api
from bot.status import messages as front_renderers
from bot.status import slack as front_listeners
from bot.status import slack as front_meeting
from bot.status import slack as status_slack
from bot.tokens import slack as token_listeners
from bot.web import api as web_api
from bot.web import metrics, site
from bot.web.authentication import Door
from bot.web.long_polling import Waiters
from bot.web.metrics import Gauges, Health
from bot.web.uploads import Uploads
from bot.webhooks.sending import Courier
from storage import migrate, runtime
from storage.db import Database
from storage.people.lookups import find_channel
from workflows import clock, jobs, policy
from workflows.audit import heads
from workflows.context import SYSTEM, Context
from workflows.delivery.pace import Pace
from workflows.job_runner import Run
from workflows.maturity import rules
from workflows.operations import Figure
from workflows.people.organisation import adopt
from workflows.policies import service as policies

log = logging.getLogger(__name__)


class Noun(Protocol):
    """Something that answers people: a module or an object that registers its listeners."""

    def register(self, router: Router) -> None:
        """Tell the router who answers which click, modal and word."""
        ...


NOUNS: tuple[Noun, ...] = (
    front_listeners,
    budget_listeners,
    approval_listeners,
    milestone_listeners,
    case_listeners,
    inventory_listeners,
    registry_listeners,
    Digests(approval_views.digest_row),
    maturity_listeners,
    token_listeners,
)
"""Everything that answers people, in the order in which `/mlgov help` lists it."""

RENDERERS = (
    *audit_renderers.RENDERERS,
    *approval_renderers.RENDERERS,
    *budget_renderers.RENDERERS,
    *front_renderers.RENDERERS,
    *inventory_renderers.RENDERERS,
    *registry_renderers.RENDERERS,
    *case_checks.RENDERERS,
    *digest_renderers.renderers(approval_views.digest_row),
    *maturity_renderers.RENDERERS,
    *milestone_renderers.RENDERERS,
    *people_renderers.RENDERERS,
    *return_renderers.RENDERERS,
)


def build_router() -> Router:
    """Who answers which click, modal and word."""
    table = Router()
    for noun in NOUNS:
        noun.register(table)
    return table


@dataclass(slots=True)
class Bot:
    """A running mlgov: `start()` it, hand it requests, `stop()` it."""

    deps: Deps
    edge: Edge
    bolt: App
    delivery: Delivery
    scheduler: Scheduler
    health: Health
    api: FastAPI
    started: threading.Event
    registrar: sync.Registrar | None = None
    """Reads the model registry, where the settings name one."""
    watch: monitoring.Watch | None = None
    """Reads what is watched in use, where the settings name a Prometheus."""
    reach: Reach = field(default_factory=Reach)
    """What is known of Slack from here."""
    whose: opening.Watch | None = None
    """Sees whether the database is still this process's organisation's."""

    def web(self, *, serve_slack: bool) -> FastAPI:
        """The web application; with `serve_slack` it also takes Slack's own requests at /slack/events."""
        return site.create(
            bolt=self.bolt if serve_slack else None,
            verifier=dispatcher.verifier(self.deps) if serve_slack else None,
            health=self.health,
            exposition=self._exposition(),
            api=self.api,
            registry=registry_web.router(self.deps),
            pool=self.deps.settings.mlgov_database_pool,
        )

    def start(self, ended: threading.Event | None = None) -> bool:
        """Read who is in Slack, or see that it was read, then begin to deliver and to tick.

        Waits for the first reading for as long as it takes; False when `ended` was set meanwhile, and nothing began.
        """
        self.deps.directory.reader.start()
        while not self.deps.directory.reader.wait(0.1):
            if ended is not None and ended.is_set():
                return False
        self.delivery.start()
        self.scheduler.start()
        self.reach.start(self.deps.slack.auth_test)
        for task in (self.registrar, self.watch):
            if task is not None:
                task.start()
        self.started.set()
        return True

    def stop(self, timeout: float = 12.0) -> None:
        """Stop claiming, finish what is in flight, give everything back."""
        self.reach.stop()
        self.deps.readers.close()
        self.deps.directory.close()
        for task in (self.registrar, self.watch):
            if task is not None:
                task.stop()
        self.scheduler.stop()
        self.delivery.stop(timeout)
        self.edge.close()
        self.deps.db.close()

    def settle(self, timeout: float = 30.0) -> int:
        """Let everything that is due happen and be sent; how many timers and schedules ran. For demos and tests."""
        ran = 0
        while True:
            now = self.scheduler.hurry()
            self.delivery.drain(timeout)
            if not now:
                return ran
            ran += now

    def _exposition(self) -> Callable[[], bytes]:
        gauges = Gauges(self.deps.db, self._figures)
        return lambda: metrics.exposition(gauges)

    def _figures(self) -> Iterator[Figure]:
        """How this process stands; nothing here waits."""
        yield Figure("tick_age_seconds", self.scheduler.age())
        yield Figure("delivery_age_seconds", self.delivery.age())
        yield Figure("slack_up", float(self.reach.away() is None))
        yield Figure("slack_answer_age_seconds", self.reach.answer_age)
        if (is_up := self.reach.is_socket_up) is not None:
            yield Figure("socket_up", float(is_up))
        if self.watch is not None and (age := self.watch.age()) is not None:
            yield Figure("reader_age_seconds", age, "prometheus")


def create(
    settings: Settings,
    *,
    made_by: str = "run",
    migrates: bool = True,
    who: Callable[[Settings, WebClient], Team] = installation.load_team,
) -> Bot:
    """Build a bot: migrate its database, ask Slack who it is (by `who`), adopt the policy.

    `made_by` is `run` or `demo`; each refuses a database that the other made. Without `migrates` a database that is not
    ready for this release is refused. Raises SettingsRefused when a setting
    or the database cannot be used, PolicyRefused for a bad policy.
    """
    if settings.mlgov_time_scale != 1.0 and settings.is_real_slack:
        raise SettingsRefused("MLGOV_TIME_SCALE is for tests; it must be 1 against Slack itself.")
    anchor.require_place(settings.mlgov_anchor)
    database = opening.build(settings)
    try:
        return _create(settings, database, made_by, who, migrates=migrates)
    except BaseException:
        database.close()
        raise


def _create(
    settings: Settings,
    database: Database,
    made_by: str,
    who: Callable[[Settings, WebClient], Team],
    *,
    migrates: bool,
) -> Bot:
    text = policy.load(settings.mlgov_policy)
    asked = rules.load(rules.place(settings.mlgov_policy, text.policy.maturity.rubric))
    reach = Reach(scale=settings.mlgov_time_scale)
    with opening.translate_errors(database.url):
        database.hold_host()
        standing = migrate.read_standing(database)
        if standing.problem is not None and (standing.is_newer or not migrates):
            raise SettingsRefused(standing.problem)
        _require_own(database, made_by)
        here = opening.find_organisation(database)
    team: Team | None = None
    if here is not None:
        # One that has governed before waits for Slack to come back, and nothing is written for another organisation.
        slack = installation.client(settings, timeout=3, observer=reach.observe)
        team = who(settings, slack)
        opening.require(database, team)
    with opening.translate_errors(database.url):
        if migrates:
            migrate.upgrade(database)
    if made_by == "run":
        database.in_real_time()
    erasure.attach(database, settings)
    opening.reconcile(database, settings.mlgov_anchor)
    if team is None:
        # Whoever sets mlgov up reads at once what is wrong.
        slack = installation.client(settings, timeout=3, observer=reach.observe)
        team = installation.load_team(settings, slack)
    with opening.translate_errors(database.url), database.begin(patient=True) as session:
        adopt(session, opening.of(team))
        now = clock.now(session)
        begun = jobs.begin_policy(
            Context(session, SYSTEM, text.policy, team.org_key, now),
            text,
            asked,
            place=str(settings.mlgov_policy),
        )
        heads.witness(session, now=now)
    for remark in begun.remarks:
        log.warning("%s", remark)
    holder = PolicyHolder(begun.text, begun.version)

    deps = Deps(
        settings,
        database,
        holder,
        slack,
        mirroring.build_directory(slack, database, team, lambda: holder.policy),
        team,
        Readers.of(settings.mlgov_uploads),
    )
    started = threading.Event()
    edge = Edge(deps, build_router(), front_meeting.greeter(deps))
    sender = _sender(deps, reach)

    def follow_policy() -> None:
        """Another version may have been put in force, by the command line or by another replica, which has brought to it
        what stands in the database."""
        with database.read() as session:
            latest = policies.in_force(session)
            if latest is None or latest == holder.version_id:
                return
            applied = policies.text(session, latest)
        holder.swap(applied, latest)

    whose = opening.Watch(database, team)
    scheduler = Scheduler(
        database,
        jobs.REGISTRY,
        policy=lambda: holder.in_force,
        org_key=team.org_key,
        tick_seconds=settings.mlgov_tick_seconds,
        each_tick=(whose, follow_policy, SchemaWatch(database), Nightly(deps)),
        report=_job_ran,
    )
    metrics.expect_jobs(scheduler.names)
    return Bot(
        deps=deps,
        edge=edge,
        bolt=dispatcher.build(deps, edge, open_home=status_slack.opener(deps)),
        delivery=sender,
        scheduler=scheduler,
        health=Health(
            database,
            {"ticking": scheduler.beat, "delivery": sender.beat},
            slack=reach.trouble,
            waits=lambda: (
                None
                if started.is_set()
                else deps.directory.reader.waits_for() or "mlgov is starting."
            ),
        ),
        started=started,
        api=_api(deps),
        registrar=_registrar(deps),
        watch=_watch(deps),
        reach=reach,
        whose=whose,
    )


def _job_ran(run: Run) -> None:
    """One line and one count for what fell due; what mlgov does by itself has the system as its actor."""
    outcome = logs.OK if run.went_well else logs.FAILED
    metrics.JOBS.labels(run.kind, outcome).inc()
    metrics.JOB_SECONDS.labels(run.kind).observe(run.seconds)
    act = logs.Act("job", run.kind, SYSTEM.id, outcome, reference=run.reference)
    if run.went_well and run.kind in jobs.REGISTRY.watchers:
        act.level = logging.DEBUG  # these come with every other commit
    logs.write(act, run.seconds, about=run.about)


def _watch(deps: Deps) -> monitoring.Watch | None:
    prometheus = monitoring.make_client(deps.settings)
    return monitoring.Watch(deps, prometheus) if prometheus is not None else None


def _registrar(deps: Deps) -> sync.Registrar | None:
    registry = sync.make_client(deps.settings)
    return sync.Registrar(deps, registry) if registry is not None else None


def _api(deps: Deps) -> FastAPI:
    door = Door(deps)
    uploads = Uploads(door, deps.readers)
    return web_api.create(
        deps,
        (
            approval_api.router(deps, door, Waiters(deps.db), Issuer(deps).find_or_issue),
            budget_api.router(deps, door, uploads),
            project_api.router(deps, door),
            case_api.router(deps, door),
            inventory_api.router(deps, door, uploads),
            inventory_papers.papers_router(deps, door),
            return_api.router(deps, door),
            statement_api.router(deps),
        ),
        (Costs, NewEvidence),
    )


def _require_own(database: Database, made_by: str) -> None:
    """Raises SettingsRefused for a database that the other made."""
    if migrate.read_revision(database) is None:
        return
    with database.read() as session:
        is_new, maker = not runtime.facts(session), runtime.made_by(session)
    if is_new or maker == made_by:
        return
    if maker == "demo":
        raise SettingsRefused(
            "MLGOV_DATABASE_URL names a database that the demo made; give `mlgov run` one of its own."
        )
    raise SettingsRefused("This database governs a real organisation; the demo leaves it alone.")


def _sender(deps: Deps, reach: Reach) -> Delivery:
    settings, team, holder = deps.settings, deps.team, deps.holder
    token = deps.slack.token or ""
    pace = Pace(
        lease=settings.mlgov_lease_seconds,
        http_timeout=settings.mlgov_http_timeout_seconds,
        seconds_per_message=settings.mlgov_pace_seconds,
        poll=settings.mlgov_poll_seconds,
    ).scaled(settings.mlgov_time_scale)

    def admin(session: Session) -> str | None:
        return find_channel(session, team.org_key, holder.policy.channels.admin)

    place = settings.mlgov_anchor
    return Delivery(
        deps.db,
        lambda: sender.client(
            token,
            base_url=settings.slack_api_url,
            timeout=pace.http_timeout,
            observer=reach.observe,
        ),
        RENDERERS,
        org_key=team.org_key,
        policy=lambda: holder.policy,
        audience=deps.directory.audience_is_closed,
        home=status_slack.renderer(deps),
        anchor=Anchor(
            lambda session, errand, now: heads.for_anchor(
                session, errand.notice, errand.kind, now=now
            ),
            lambda noted: anchor.keep(place, noted),
        )
        if place
        else None,
        admin=admin,
        pace=pace,
        workers=settings.mlgov_workers,
        stamps="real" if settings.is_real_slack else "governed",
        courier=Courier(deps.db, settings).send,
        report=metrics.count_delivery,
    )
