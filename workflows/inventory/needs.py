"""What of the inventory waits for somebody."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.inventory import finding_queries, queries
from workflows.actors import Actor
from workflows.inventory import reads
from workflows.inventory.records import Need
from workflows.policy import Policy


def list_needs(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> tuple[Need, ...]:
    """Models that need this person: versions to validate, findings of theirs to mend, reviews that are due."""
    today = reads.today_of(policy, now)
    waiting = {row.id for row in queries.list_validating(session, actor.id)}
    owned = {row.id for row in queries.list_owned_and_due(session, actor.id, today)}
    mending = finding_queries.list_open_of(session, actor.id)
    ids = (
        {row.model_id for row in queries.list_validating(session, actor.id)}
        | owned
        | {row.model_id for row in mending}
    )
    needs: list[Need] = []
    for record in reads.load_models(session, queries.list_by_ids(session, ids)) if ids else ():
        needs += [Need(record, one, "validation") for one in record.versions if one.id in waiting]
        mine = [
            one
            for one in record.findings
            if one.owner and one.owner.id == actor.id and one.is_open(today)
        ]
        if mine:
            days = [one.due for one in mine if one.due]
            needs.append(Need(record, record.lead, "finding", min(days, default=None)))
        if record.id in owned:
            needs.append(Need(record, record.lead, "review", record.next_review))
    return tuple(needs)
