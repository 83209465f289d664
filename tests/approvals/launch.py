"""Something small of ours that can be decided: whether a project goes live."""

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.enums import ApprovalState
from storage.projects.tables import Project
from workflows.approvable import Prepared, Words, project_facts
from workflows.context import Context
from workflows.errors import InvalidInput


class GoLive(BaseModel):
    """Ask that a project goes live; the rest is what conditions and separation are told."""

    project_id: int
    percent: float = 30.0
    amount: float = 5_000.0
    developer: str | None = None
    validator: str | None = None
    contributors: tuple[str, ...] = ()


class ProjectLaunch:
    """A subject type over the table of projects: approved, its status becomes `live`."""

    gate = "budget_increase"
    is_editable = True

    def prepare(self, ctx: Context, form: GoLive, *, replacing: int | None = None) -> Prepared:
        self.lock(ctx.session, form.project_id)
        project = ctx.session.get_one(Project, form.project_id)
        if project.status == "live":
            raise InvalidInput("It is live already.")
        return Prepared(
            project.id,
            project.id,
            {
                "project_id": project.id,
                "to": "live",
                "amount": form.amount,
                "percent": form.percent,
            },
            {
                "owner": project.owner_id,
                "sponsor": project.sponsor_id,
                "manager": project.manager_id,
                "developer": form.developer and f"p-{form.developer}",
                "validator": form.validator and f"p-{form.validator}",
            },
            tuple(f"p-{name}" for name in form.contributors),
            {
                "increase.percent": form.percent,
                "increase.amount": form.amount,
                "increase.new": form.amount,
                "increase.currency": "EUR",
                "increase.scope": "period",
                **project_facts(project),
            },
        )

    def lock(self, session: Session, subject_id: int) -> None:
        session.execute(select(Project.id).where(Project.id == subject_id).with_for_update())

    def apply(self, ctx: Context, approval_id: int, subject_id: int, facts: dict[str, Any]) -> None:
        ctx.session.execute(
            update(Project).where(Project.id == subject_id).values(status=facts["to"])
        )

    def close(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
    ) -> None:
        ctx.session.execute(
            update(Project).where(Project.id == subject_id).values(business_unit=outcome.value)
        )

    def lapse(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        spared: Collection[str] = (),
    ) -> None:
        ctx.session.execute(update(Project).where(Project.id == subject_id).values(status="draft"))

    def words(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Words:
        project = ctx.session.get_one(Project, subject_id)
        return Words(
            project.name,
            "go live",
            "it stays as it is",
            f"{project.name} is live",
            (("Status", project.status),),
        )
