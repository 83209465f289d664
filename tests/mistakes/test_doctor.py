"""What the doctor finds in Slack and on the record that `mlgov run` would meet later."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from sandbox.server import Sandbox
from storage.db import Database
from storage.projects.tables import Project
from tests.contexts import make_context
from tests.mistakes.typed import Ended, typed
from tests.stories.office import ADA, POLICY
from workflows import clock, outbox
from workflows.budgets.notices import ThresholdCrossed
from workflows.context import OPERATOR
from workflows.outbox import Destination
from workflows.statements import envelopes
from workflows.statements import service as statements
from workflows.webhooks import service as webhooks

Change = Callable[[Sandbox, Path], None]


def states(ended: Ended) -> dict[str, str]:
    """What was found by what was looked at."""
    lines = [line.partition(": ") for line in ended.out.splitlines()]
    return {head[8:]: f"{head[:8].strip()}: {words}" for head, _, words in lines}


def says(old: str, new: str) -> Change:
    """The policy with other words in it."""

    def change(slack: Sandbox, place: Path) -> None:
        assert old in POLICY
        (place / "governance.yml").write_text(POLICY.replace(old, new))

    return change


def disabled(slack: Sandbox, place: Path) -> None:
    slack.world.usergroups["S0FIN"].date_delete = 1


def twice(slack: Sandbox, place: Path) -> None:
    slack.world.usergroups["S0TWO"] = replace(slack.world.usergroups["S0FIN"], id="S0TWO")


def bot_outside(slack: Sandbox, place: Path) -> None:
    del slack.world.channels["C0AUDIT"].members["U0MLGOV"]


def gone(slack: Sandbox, place: Path) -> None:
    slack.world.users[ADA].deleted = True


FOUND: dict[str, tuple[Change, str, str, int]] = {
    "a group that Slack doesn't have": (
        says('finance: ["@finance"]', 'finance: ["@finanz", S0NONE]'),
        "groups",
        "failed: Slack has no @finanz or S0NONE. Mend it in Slack, or correct the policy.",
        1,
    ),
    "a group of an escalation": (
        says("expires_after: 7d", 'escalate: {after: 1d, add: ["@nobody-knows"]}'),
        "groups",
        "failed: Slack has no @nobody-knows. Mend it in Slack, or correct the policy.",
        1,
    ),
    "a group that is disabled": (
        disabled,
        "groups",
        "failed: @finance is disabled. Mend it in Slack, or correct the policy.",
        1,
    ),
    "a handle that two groups have": (
        twice,
        "groups",
        "failed: @finance names nobody: 2 user groups have the handle @finance. Next: write the id of the right one in the policy instead (S0FIN or S0TWO), or give the others another handle.",
        1,
    ),
    "a channel that Slack doesn't have": (
        says('audit: "#ml-audit"', 'audit: "#ml-odit"'),
        "channels",
        "failed: Slack shows mlgov no #ml-odit: make it, or correct the policy; if it's private, type /invite @mlgov there.",
        1,
    ),
    "a channel without mlgov": (
        bot_outside,
        "channels",
        "failed: mlgov isn't in #ml-audit: type /invite @mlgov there.",
        1,
    ),
    "no administrators": (
        says('  admin: ["@mlgov-admins"]\n', ""),
        "administrators",
        "warning: nobody: name people or a group under roles: admin in the policy, else nobody hears of trouble or may set things right.",
        0,
    ),
    "administrators who have left": (
        gone,
        "administrators",
        "warning: nobody: @mlgov-admins (roles: admin) holds no active member of the workspace. Add somebody in Slack, or correct the policy.",
        0,
    ),
    "administrators by id": (
        says('admin: ["@mlgov-admins"]', "admin: [U0OLA, U0ADA, U0GUS, U0NOBODY]"),
        "administrators",
        "ok: Ola and Ada",
        0,
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_the_policy_names(
    what: str, slack: Sandbox, right: dict[str, str], tmp_path: Path
) -> None:
    change, name, words, code = FOUND[what]
    group, channel = slack.world.usergroups["S0FIN"], slack.world.channels["C0AUDIT"]
    ada, members = slack.world.users[ADA], dict(channel.members)
    try:
        change(slack, tmp_path)
        ended = typed(right, tmp_path, "doctor")
    finally:
        group.date_delete, ada.deleted, channel.members = 0, False, members
        slack.world.usergroups.pop("S0TWO", None)
    assert states(ended)[name] == words
    assert ended.code == code


def test_without_leave_to_read_groups_the_rest_is_looked_at(
    slack: Sandbox, right: dict[str, str], tmp_path: Path
) -> None:
    slack.faults.withhold_scope("usergroups:read")
    ended = typed(right, tmp_path, "doctor")
    found = states(ended)
    assert ended.code == 1
    assert found["scopes"].startswith("failed: missing usergroups:read")
    assert found["groups"] == (
        "warning: Slack's user groups couldn't be read for lack of a scope; mend the scopes first."
    )
    assert found["channels"].startswith("ok: mlgov is in")


def test_what_waits_on_the_record(
    database: Database, database_url: str, right: dict[str, str], tmp_path: Path
) -> None:
    right["MLGOV_DATABASE_URL"] = database_url
    calm = states(typed(right, tmp_path, "doctor"))
    assert calm["deliveries"] == "ok: no dead letters, 0 messages on the way"
    assert calm["database"].startswith("ok: ")
    assert "projects" not in calm
    with database.begin() as session:
        now = clock.now(session)
        for key, status, channel in (
            ("triage", "in_progress", "C0TRIAGE"),
            ("vision", "in_progress", "C0ELSEWHERE"),
            ("over", "closed", "C0GONE"),
        ):
            session.add(Project(key=key, name=key, status=status, channel=channel, created_at=now))
        for number in (1, 2):
            outbox.post(
                session,
                ThresholdCrossed(number),
                to=Destination.channel("T0ACME", "C0GOV"),
                dedupe_key=f"alert:{number}",
                now=now,
            )
        webhooks.add(
            make_context(session, actor=OPERATOR, now=now), "https://example.com/hook", ["*"]
        )
        session.execute(text("UPDATE outbox SET state = 'dead'"))
    told = typed(right, tmp_path, "doctor")
    found = states(told)
    assert found["deliveries"].startswith(
        "warning: 2 dead letters wait for a person to decide: `mlgov outbox list` shows why"
    )
    assert found["projects"] == (
        "warning: mlgov isn't in the channel of vision, so what belongs there goes to single people. Type /invite @mlgov there."
    )
    assert found["webhook key"].startswith("failed: 1 webhook waits for events")
    assert told.code == 1
    right["MLGOV_WEBHOOK_KEY"] = "k" * 32
    signed = states(typed(right, tmp_path, "doctor"))
    assert signed["webhook key"] == "ok: events to 1 webhook are signed"


def test_a_key_that_was_retired(
    database: Database, database_url: str, right: dict[str, str], tmp_path: Path
) -> None:
    pem = envelopes.make_private_pem()
    right |= {"MLGOV_DATABASE_URL": database_url, "MLGOV_SIGNING_KEY": pem}
    assert states(typed(right, tmp_path, "doctor"))["signing key"].startswith(
        "ok: statements are signed with "
    )
    with database.begin() as session:
        now = clock.now(session)
        key = envelopes.load_private_key(pem)
        statements.publish_key(make_context(session, actor=OPERATOR, now=now), key)
        other = envelopes.load_private_key(envelopes.make_private_pem())
        kept = statements.publish_key(make_context(session, actor=OPERATOR, now=now), other)
        statements.retire_other_keys(make_context(session, actor=OPERATOR, now=now), kept)
    ended = typed(right, tmp_path, "doctor")
    assert ended.code == 1
    assert "was retired. Set MLGOV_SIGNING_KEY to the key in use" in states(ended)["signing key"]


def test_looking_changes_nothing(right: dict[str, str], tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    right["MLGOV_ANCHOR"] = str(tmp_path / "deep" / "heads.jsonl")
    assert typed(right, tmp_path, "doctor").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before
