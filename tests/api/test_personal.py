"""A token of one's own: made in Slack, seen once by that person alone, revoked there."""

import re

from bot.tokens import slack
from tests.api.conftest import Api
from tests.stories.office import GUS, OLA, eventually


def test_made_shown_once_and_revoked_in_slack(api: Api) -> None:
    ola = api.office.sandbox.seat(OLA)
    assert ola.slash("/mlgov", "token", "C0TRIAGE").ok
    eventually(lambda: bool(ola.modals()), "a window opens")
    view = ola.modals()[-1]
    assert ola.submit(view.id, {slack.LASTS: {f"{slack.MAKE}.value": "1"}}).ok
    eventually(lambda: "Copy it now" in str(ola.modals()[-1].blocks), "it is shown")
    found = re.search(r"mlgov_p_\w{8}_[\w-]{43}", str(ola.modals()[-1].blocks))
    assert found
    secret = found.group()
    assert api.get("/approvals?mine=true", secret).json() == {"approvals": []}
    assert api.ask(secret).status_code == 403
    with api.office.db.read() as session:
        from sqlalchemy import text

        for table in ("api_token", "audit_entry", "outbox", "message"):
            rows = session.execute(text(f"SELECT * FROM {table}")).all()
            assert secret[16:] not in str(rows)

    assert ola.slash("/mlgov", "token", "C0TRIAGE").ok
    eventually(lambda: secret[:16] in str(ola.modals()[-1].blocks), "it is listed")
    again = ola.modals()[-1]
    assert secret not in str(again.blocks)
    assert ola.click(view_id=again.id, action_id=slack.REVOKE).ok
    eventually(lambda: secret[:16] not in str(ola.modals()[-1].blocks), "it is gone")
    refused = api.get("/approvals", secret)
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:mlgov:problem:token-revoked")


def test_a_guest_makes_none(api: Api) -> None:
    gus = api.office.sandbox.seat(GUS)
    answer = gus.slash("/mlgov", "token", "C0SHARED")
    assert "guest" in str(answer.body)
    assert not gus.modals()
