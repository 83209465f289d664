"""A person who is erased leaves no digest behind, and one who asks gets all of theirs."""

from datetime import timedelta

from sqlalchemy import text

from storage.delivery.tables import Schedule
from storage.digests.tables import Digest, DigestRelease
from storage.enums import DigestState, ReleaseState
from tests.contexts import make_context
from tests.digests.conftest import FIRST_DAY, NOW, ORG, Firm
from workflows.context import OPERATOR
from workflows.digests import recipients, service
from workflows.people import service as people


def sent(firm: Firm) -> None:
    """Lea reads a digest, subscribed to it, and has a place in a preview."""
    project = firm.project("Ticket triage", owner="ola")
    firm.budget(project, "1000")
    content = firm.digest().stored()
    with firm.db.begin() as session:
        service.subscribe(
            make_context(session, actor=firm.actor("lea"), policy=firm.policy, now=NOW),
            "weekly",
            True,
        )
        recipients.enrol_readers(make_context(session, policy=firm.policy, org=ORG, now=NOW))
        session.add(
            Digest(
                kind="weekly",
                person_id="p-lea",
                week="2026-W05",
                audience="role:leader",
                state=DigestState.SENT,
                first_day=FIRST_DAY,
                tz="Europe/London",
                planned_at=NOW,
                late_at=NOW + timedelta(days=4),
                built_at=NOW,
                content=content,
                created_at=NOW,
            )
        )
        session.add(
            DigestRelease(
                kind="weekly",
                audience="role:leader",
                week="2026-W05",
                state=ReleaseState.SENT,
                first_day=FIRST_DAY,
                contents={"p-lea": content, "p-ada": content},
                decided_by="p-lea",
                decided_at=NOW,
                created_at=NOW,
            )
        )


def test_an_erased_person_leaves_no_digest_behind(firm: Firm) -> None:
    sent(firm)
    with firm.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), "p-lea")
    with firm.db.read() as session:
        (digest,) = session.query(Digest)
        assert (digest.content, digest.tz, digest.week) == (None, "", "2026-W05")
        (release,) = session.query(DigestRelease)
        assert list(release.contents) == ["p-ada"]
        assert session.query(Schedule).filter_by(owner="p-lea").count() == 0
        assert session.execute(text("SELECT count(*) FROM digest_subscription")).scalar_one() == 0


def test_an_export_holds_the_digests_and_what_was_said_about_them(firm: Firm) -> None:
    sent(firm)
    with firm.db.read() as session:
        found = people.export(session, "p-lea")
    (digest,) = found["digests"]
    assert digest["content"]["headline"].startswith("Week 4")
    assert found["digest_subscriptions"][0]["is_wanted"] is True
    assert found["digests_released"][0]["week"] == "2026-W05"
