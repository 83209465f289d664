"""What people may see beside their own projects: cards before them, models they work on, files of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from bot.inventory import clicks
from bot.slack import files
from bot.slack.replies import Private, Reply
from bot.slack.requests import Click
from storage.approvals.tables import Approval
from storage.audit.tables import AuditEntry
from storage.enums import Part
from storage.inventory import queries
from storage.people.tables import Channel
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.sight.world import NED, PIA, Planted, actor, planted
from tests.stories.office import GUS, OLA, SAM, TIM, Office, eventually
from workflows.budgets import service as budgets
from workflows.errors import NotFound
from workflows.evidence.forms import SubmitEvidence
from workflows.inventory import evidence

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def placed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Office, Planted]]:
    work: Path = tmp_path_factory.mktemp("seen")
    with planted(fresh_url("sqlite", request, work), work) as made:
        yield made


def test_whoever_reads_a_card_in_its_channel_may_open_what_its_buttons_open(
    placed: tuple[Office, Planted],
) -> None:
    office, secret = placed
    pia = office.sandbox.seat(PIA)
    card = office.card(pia, "C0VAULT", "budgets.break_down")
    assert pia.click(channel_id="C0VAULT", ts=card.ts, action_id="budgets.break_down").ok
    eventually(lambda: bool(pia.modals()), "the window opens")
    assert "77,731" in str(pia.modals()[-1].body)

    def detail(who: str, place: tuple[str, str] | None) -> Any:
        deps = office.bot.deps
        with office.db.read() as session:
            ctx = deps.context(session, actor(office, who), card=place)
            return budgets.load_detail_for(ctx, secret.budget)

    assert detail(PIA, ("C0VAULT", card.ts)).project == "Quagga Vault"
    for place in (None, ("C0VAULT", "1.2"), ("C0OPEN", card.ts)):
        with pytest.raises(NotFound):
            detail(PIA, place)
    with office.db.begin() as session:
        vault = session.execute(select(Channel).where(Channel.slack_id == "C0VAULT")).scalar_one()
        vault.is_shared_outside = True
    with pytest.raises(NotFound):
        detail(PIA, ("C0VAULT", card.ts))
    with office.db.begin() as session:
        session.get_one(Channel, vault.id).is_shared_outside = False


def test_who_asked_from_a_card_can_change_it_without_one(placed: tuple[Office, Planted]) -> None:
    office, secret = placed
    deps = office.bot.deps

    def look() -> None:
        with office.db.read() as session:
            budgets.load_detail_for(
                make_context(
                    session, actor=actor(office, PIA), policy=deps.policy, now=deps.now(session)
                ),
                secret.budget,
            )

    with pytest.raises(NotFound):
        look()
    pia = actor(office, PIA).id
    with office.db.begin() as session:
        asked = session.get_one(Approval, secret.request)
        before, asked.requester_id = asked.requester_id, pia
    look()
    with office.db.begin() as session:
        session.get_one(Approval, secret.request).requester_id = before


def test_a_direct_message_tells_its_own_reader_alone(placed: tuple[Office, Planted]) -> None:
    office, secret = placed
    deps = office.bot.deps
    with office.db.read() as session:
        row = session.execute(
            text(
                "SELECT channel, ts FROM message WHERE subject_type = 'approval' AND channel LIKE 'D%'"
            )
        ).first()
    assert row is not None
    with pytest.raises(NotFound), office.db.read() as session:
        budgets.load_detail_for(
            deps.context(session, actor(office, NED), card=(row.channel, row.ts)), secret.budget
        )


def test_who_works_on_a_model_is_not_told_what_its_project_spent(
    placed: tuple[Office, Planted],
) -> None:
    office, secret = placed
    pia = actor(office, PIA)
    with office.db.begin() as session:
        queries.set_part(session, secret.version, Part.VALIDATOR.value, {pia.id})
    card, spend = clicks.load_model(office.bot.deps, pia, secret.model)
    assert (card.model.key, spend) == ("tapir", "")
    _, spend = clicks.load_model(office.bot.deps, actor(office, OLA), secret.model)
    assert spend.startswith("Its project spent")


def test_a_file_is_fetched_only_for_who_shared_it(placed: tuple[Office, Planted]) -> None:
    office, secret = placed
    deps, ola = office.bot.deps, office.sandbox.seat(OLA)
    ola.share(ola.dm().id, "plan.txt", b"what only Ola has")
    file = next(one for one in office.sandbox.world.files.all() if one.name == "plan.txt")
    kept = files.fetch(deps, file.id, owner=OLA)
    assert kept.data == b"what only Ola has"
    refused = set()
    for file_id, owner in ((file.id, NED), (file.id, None), ("F0NOTHERE01", NED)):
        with pytest.raises(files.NotFetched) as error:
            files.fetch(deps, file_id, owner=owner)
        refused.add(error.value.sentence)
    assert len(refused) == 1, "it is told like one that is not there"

    # A link names anybody's file, and Pia knows its digest: what she hands in brings it to nobody.
    pia = actor(office, PIA)
    with office.db.begin() as session:
        queries.set_part(session, secret.version, Part.DEVELOPER.value, {pia.id})
    with office.db.begin() as session:
        item = evidence.submit_evidence(
            make_context(session, actor=pia, policy=deps.policy, now=deps.now(session)),
            secret.version,
            SubmitEvidence(
                type="impact_assessment", summary="S", sha256=kept.sha256, uri=kept.permalink
            ),
            "pia",
        )
    seat = office.sandbox.seat(PIA)
    seat.slash("/mlgov", "help", "C0VAULT")
    click(office, PIA, "models.file", str(item))
    eventually(
        lambda: "doesn't show it to mlgov" in str(seat.messages(seat.dm().id)), "it is refused"
    )
    assert not [one for one in seat.messages(seat.dm().id) if one.file_ids]


def click(office: Office, slack_id: str, action_id: str, value: str) -> None:
    office.bot.edge.click(
        {
            "user": {"id": slack_id, "team_id": "T0ELSE" if slack_id == SAM else "T0ACME"},
            "team": {"id": "T0ACME"},
            "trigger_id": "",
            "actions": [{"action_id": action_id, "value": value}],
        }
    )


def test_a_window_of_one_kind_changes_no_request_of_another(placed: tuple[Office, Planted]) -> None:
    office, secret = placed
    state = {"new": {"e": {"selected_date": "2026-04-20"}}, "reason": {"e": {"value": "r"}}}
    metadata = f"{secret.milestone}:1:::{secret.request}:{secret.revision}"
    answer = office.bot.edge.submission(
        {
            "user": {"id": TIM, "team_id": "T0ACME"},
            "team": {"id": "T0ACME"},
            "view": {
                "id": "V0OTHER",
                "type": "modal",
                "callback_id": "milestones.submit_change",
                "private_metadata": metadata,
                "state": {"values": state},
                "blocks": [{"type": "input", "block_id": name} for name in state],
            },
        }
    )
    assert "stays about what it was opened for" in str(answer)


def test_a_strangers_clicks_are_on_the_ledger_once(placed: tuple[Office, Planted]) -> None:
    office, _ = placed
    for n in range(150):
        click(office, SAM, ("approvals.approve", "budgets.break_down")[n % 2], str(n))
    with office.db.read() as session:
        rows = session.execute(
            select(AuditEntry.action, func.count())
            .where(AuditEntry.actor_id == actor_of(office, SAM))
            .group_by(AuditEntry.action)
        ).all()
    assert [tuple(row) for row in rows] == [("membership.refused", 1)]


def actor_of(office: Office, slack_id: str) -> str:
    with office.db.read() as session:
        return str(
            session.execute(
                text("SELECT id FROM person WHERE slack_id = :id"), {"id": slack_id}
            ).scalar_one()
        )


def test_what_is_for_anybody_says_so_where_it_is_registered(placed: tuple[Office, Planted]) -> None:
    office, _ = placed
    router, asked = office.bot.edge.router, []

    def answer(click: Click) -> Reply:
        asked.append(click.action_id)
        return Private("Hello.")

    router.action("tests.members", answer)
    router.action("tests.anybody", answer, anybody="it greets, and tells nothing")
    try:
        for action_id in ("tests.members", "tests.anybody"):
            click(office, GUS, action_id, "")
        assert asked == ["tests.anybody"]
    finally:
        for action_id in ("tests.members", "tests.anybody"):
            del router.actions[action_id]
        router.anybody.clear()
