"""Whatever Slack or a program can send, with ids of what is out of sight, as everybody who must not see it.

Every button, window, menu, word, shortcut and reply of the router and every path of the API is tried: by guests, people
of another organisation, other apps and people who left, and by a member who sees nothing of the project. Nothing that
stands there alone may be told, nothing may be changed, and what is out of sight is answered exactly like what there is not.
"""

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from bot import app, freshness
from storage.people.tables import Person, UserGroup
from tests.contexts import make_context
from tests.sight import forged
from tests.sight.attack import Attack, Case, leaks, one_each, told
from tests.sight.world import ABSENT, BOB, KEY, LEA, LIA, NED, Planted, actor
from tests.stories.office import ADA, GUS, OLA, SAM, TIM
from workflows import clock
from workflows.context import OPERATOR
from workflows.people import mirror
from workflows.tokens import service as tokens
from workflows.tokens.service import MACHINE_SCOPES, NewToken

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OUTSIDERS = {"guest": GUS, "stranger": SAM, "bot": BOB, "leaver": LEA}


def test_the_sweep_knows_every_button_window_menu_word_and_path(attack: Attack) -> None:
    router = app.build_router()
    for what, known, there in (
        ("button to CLICKS", forged.CLICKS, router.actions),
        ("window to SUBMISSIONS", forged.SUBMISSIONS, router.submissions),
        ("menu to SEARCHES", forged.SEARCHES, router.searches),
        ("word to WORDS", forged.WORDS, router.words),
        ("shortcut to SHORTCUTS", forged.SHORTCUTS, router.shortcuts),
        ("kind of notice to REPLIES", forged.REPLIES, router.replies),
        (
            "path to PATHS, or with its reason to FOR_ANYBODY",
            {*forged.PATHS, *forged.FOR_ANYBODY},
            _paths(attack),
        ),
    ):
        new, gone = sorted({*there} - {*known}), sorted({*known} - {*there})
        assert not new, f"add this {what} in tests/sight/forged.py, with what it carries: {new}"
        assert not gone, (
            f"tests/sight/forged.py still has a {what.split(' to ')[0]} that is gone: {gone}"
        )
    assert len(router.files) == 1
    assert router.anybody == {}, "who opens something for people who are no members tests it here"


def _paths(attack: Attack) -> list[str]:
    document = attack.client.get("/api/v1/openapi.json").json()
    return [f"{verb.upper()} {path}" for path, verbs in document["paths"].items() for verb in verbs]


@pytest.mark.parametrize("who", sorted(OUTSIDERS))
def test_who_is_no_member_is_refused_everywhere(attack: Attack, who: str) -> None:
    slack_id = OUTSIDERS[who]
    attack.send([Case("command", "help", next(iter(attack.words(slack_id, ABSENT))).payload)])
    before, entries = attack.record(), attack.ledger()
    everything = attack.everything(slack_id, attack.planted)
    cases = one_each([case for case in everything if case.kind != "click in a window"])
    rest = attack.send(cases)
    assert not leaks(rest), rest
    for case in cases:
        answer = " ".join(case.answers)
        assert not leaks(answer), (case.where, answer)
        if case.kind == "search":
            assert case.answers[0] in ('{"options": []}', '{"options":[]}'), (case.where, answer)
        else:
            assert SENTENCES[who] in answer, (case.where, answer)
    assert attack.record() == before
    fresh = attack.ledger()[len(entries) :]
    assert set(fresh) <= {"membership.refused"}, fresh
    assert len(fresh) <= 1, "who tries again and again is on the ledger once in a while"


SENTENCES = {
    "guest": "You are a guest in this workspace",
    "stranger": "You are from another organisation",
    "bot": "Bots can't use mlgov as people do",
    "leaver": "Your account is deactivated",
}


def test_what_is_out_of_sight_is_answered_like_what_there_is_not(attack: Attack) -> None:
    attack.send([Case("command", "help", next(iter(attack.words(NED, ABSENT))).payload)])
    before, entries = attack.record(), attack.ledger()
    secret, absent = (attack.everything(NED, attack.planted), attack.everything(NED, ABSENT))
    if not attack.office.db.is_sqlite:
        secret, absent = one_each(secret), one_each(absent)
    rest = attack.send(secret)
    assert not leaks(rest), [line for line in rest.splitlines() if leaks(line)]
    attack.send(absent)
    assert len(secret) == len(absent)
    for one, other in zip(secret, absent, strict=True):
        answer = " ".join(one.answers)
        typed = json.dumps(one.payload)
        told_more = [mark for mark in leaks(answer) if mark not in typed]
        assert not told_more, (one.where, typed, answer)
        if one.kind != "reply":
            assert told(one, attack.planted) == told(other, ABSENT), (one.where, typed)
        assert "omething broke" not in answer, (one.where, typed, answer)
    changed = {name for name, rows in attack.record().items() if rows != before.get(name)}
    assert not changed, changed
    fresh = attack.ledger()[len(entries) :]
    assert all(one.endswith(".refused") or one == "token.created" for one in fresh), fresh


# --- the API


def _calls(attack: Attack, about: Planted) -> Iterator[tuple[str, dict[str, Any]]]:
    places = {
        "approval_id": about.request,
        "case_id": about.case,
        "project": about.project,
        "key": about.model_key,
        "version": "7.7",
    }
    for name, body in sorted(forged.PATHS.items()):
        verb, _, path = name.partition(" ")
        call: dict[str, Any] = {"method": verb, "url": f"/api/v1{path.format(**places)}"}
        if body == "bytes":
            call |= {
                "content": b"truth,said,sex\n1,1,a\n",
                "params": {"truth": "truth", "prediction": "said", "group": "sex"},
            }
        elif body is not None:
            call["json"] = json.loads(json.dumps(attack.fill(body, about)))
            if str(call["json"]).find("revision") >= 0:
                call["json"]["revision"] = about.revision
            call["headers"] = {"Idempotency-Key": f"k{next(attack.numbers)}"}
        yield name, call


def _called(attack: Attack, token: str, about: Planted) -> dict[str, tuple[int, str]]:
    found = {}
    for name, call in _calls(attack, about):
        headers = {"Authorization": f"Bearer {token}", **call.pop("headers", {})}
        response = attack.client.request(headers=headers, **call)
        found[name] = (response.status_code, response.text)
    return found


def _without_ids(words: str, about: Planted) -> str:
    case = Case("call", "", {}, [words])
    return told(case, about)[0]


@pytest.mark.parametrize("whose", ["member", "program", "leaver"])
def test_the_api_tells_of_nothing_out_of_sight_or_of_bounds(attack: Attack, whose: str) -> None:
    deps = attack.office.bot.deps
    with deps.db.begin(patient=True) as session:
        if whose == "program":
            form = NewToken(
                name="triage", scopes=MACHINE_SCOPES, projects=("other",), lasts=timedelta(days=7)
            )
            secret, _ = tokens.create(
                make_context(
                    session,
                    actor=OPERATOR,
                    policy=deps.policy,
                    org=deps.team.org_key,
                    now=deps.now(session),
                ),
                form,
            )
        else:
            person = dataclasses.replace(
                actor(attack.office, NED if whose == "member" else LEA),
                is_deactivated=False,  # when they made it
            )
            secret, _ = tokens.create_personal(
                make_context(session, actor=person, now=deps.now(session)), lasts=timedelta(days=7)
            )
    before, entries = attack.record(), attack.ledger()
    here, nowhere = (_called(attack, secret, about) for about in (attack.planted, ABSENT))
    for name, (status, words) in here.items():
        assert status < 500, (name, words)
        assert not [mark for mark in leaks(words) if mark != KEY], (name, words)
        assert whose != "leaver" or status in (401, 403), (name, status, words)
        assert status == nowhere[name][0], (name, words, nowhere[name][1])
        assert _without_ids(words, attack.planted) == _without_ids(nowhere[name][1], ABSENT), name
    after = attack.record()
    changed = {name for name, rows in after.items() if rows != before.get(name)}
    aftermath = TOLD if whose == "leaver" else set()
    assert not changed - {"api_token", *aftermath}, changed
    fresh = attack.ledger()[len(entries) :]
    assert all(one.endswith(".refused") for one in fresh), fresh


# --- on whose standing each act rests


def test_every_act_says_whose_standing_it_rests_on(attack: Attack) -> None:
    router = app.build_router()
    for kind, there in (
        ("click", router.actions),
        ("submission", router.submissions),
        ("search", router.searches),
        ("command", router.words),
        ("shortcut", router.shortcuts),
        ("reply", router.replies),
        ("api", {*_paths(attack)} - {*forged.FOR_ANYBODY}),
    ):
        known = freshness.TABLES[kind]
        new, gone = sorted({*there} - {*known}), sorted({*known} - {*there})
        assert not new, f"say in bot/freshness.py on whose standing each rests: {new}"
        assert not gone, f"bot/freshness.py still has a {kind} that is gone: {gone}"
    assert {*freshness.TABLES["file"]} == {"shared"}


def _unheard(attack: Attack, slack_id: str, *, deleted: bool) -> None:
    """Slack has (de)activated somebody without a word, and the mirror has them active, as they were three hours ago."""
    users = attack.office.sandbox.world.users
    users[slack_id] = dataclasses.replace(users[slack_id], deleted=deleted)
    with attack.office.db.begin() as session:
        session.execute(
            update(Person)
            .where(Person.slack_id == slack_id)
            .values(is_deactivated=False, refreshed_at=clock.real_now(session) - timedelta(hours=3))
        )


TOLD = {"timer", "lane", "gate", "outbox", "message"}
"""What changes when a request that only a leaver could decide is told of."""


def _to_others(attack: Attack, said: str, *others: str) -> str:
    """What was said, without the direct messages of these people."""
    rooms = [attack.office.sandbox.seat(slack_id).dm().id for slack_id in others]
    return "\n".join(line for line in said.splitlines() if not any(room in line for room in rooms))


def _changed(attack: Attack, before: dict[str, list[Any]]) -> set[str]:
    """The tables that are not as they were."""
    now = attack.record()
    return {name for name in now.keys() | before if now.get(name) != before.get(name)}


def test_whom_slack_has_deactivated_without_a_word_does_nothing(attack: Attack) -> None:
    """Ola, who may do nearly everything there is: each act asks Slack about her before it begins."""
    before, entries = attack.record(), attack.ledger()
    cases = one_each(
        [
            case
            for case in attack.everything(OLA, attack.planted)
            if case.kind != "click in a window"
        ]
    )
    try:
        for case in cases:
            _unheard(attack, OLA, deleted=True)
            rest = _to_others(attack, attack.send([case]), TIM, ADA)
            answer = " ".join([rest, *case.answers])
            assert not leaks(answer), (case.where, answer)
            if case.kind == "search":
                assert case.answers[0] in ('{"options": []}', '{"options":[]}')
            else:
                assert SENTENCES["leaver"] in answer, (case.where, answer)
    finally:
        _unheard(attack, OLA, deleted=False)
    # Whom Slack has deactivated decides nothing any more, so requests that only they could decide are told of.
    assert _changed(attack, before) <= TOLD
    told = {"membership.refused", "approval.stuck"}
    assert {*attack.ledger()[len(entries) :]} <= told


def test_a_token_of_whom_slack_has_deactivated_without_a_word_opens_nothing(attack: Attack) -> None:
    deps = attack.office.bot.deps
    with deps.db.begin(patient=True) as session:
        secret, _ = tokens.create_personal(
            make_context(session, actor=actor(attack.office, OLA), now=deps.now(session)),
            lasts=timedelta(days=7),
        )
    before = attack.record()
    try:
        for name, call in _calls(attack, attack.planted):
            _unheard(attack, OLA, deleted=True)
            headers = {"Authorization": f"Bearer {secret}", **call.pop("headers", {})}
            response = attack.client.request(headers=headers, **call)
            assert response.status_code == 401, (name, response.text)
            assert "token-left" in response.text, (name, response.text)
    finally:
        _unheard(attack, OLA, deleted=False)
    assert _changed(attack, before) <= {"api_token", *TOLD}


def test_a_user_group_by_which_the_policy_means_somebody_is_asked_about(attack: Attack) -> None:
    """Ada administers by her group, and has left it without a word: what rests on more than herself knows at once."""
    if not attack.office.db.is_sqlite:
        pytest.skip("who is asked about is the same on both databases")
    world = attack.office.sandbox.world
    group = world.usergroups["S0ADM"]
    inspector = attack.office.sandbox.inspector
    cases = one_each(
        [
            case
            for case in attack.everything(ADA, attack.planted)
            if case.kind != "click in a window"
        ]
    )
    try:
        world.usergroups["S0ADM"] = dataclasses.replace(group, user_ids=[OLA])
        for case in cases:
            with attack.office.db.begin() as session:
                session.execute(
                    update(UserGroup)
                    .where(UserGroup.slack_id == "S0ADM")
                    .values(refreshed_at=None, heard_at=None)
                )
                mirror.refresh_members(
                    make_context(session, org="T0ACME", now=attack.office.now()),
                    "S0ADM",
                    [ADA],
                    read_at=clock.real_now(session) - timedelta(minutes=11),
                )
            attack.send([case])
            asked = len(inspector.calls("/api/usergroups.users.list"))
            kind = {"word": "command"}.get(case.kind, case.kind)
            rests = freshness.TABLES[kind][case.name]
            assert asked == (rests is not freshness.Rests.OWN), (case.where, rests)
    finally:
        world.usergroups["S0ADM"] = group
        with attack.office.db.begin() as session:
            mirror.refresh_members(
                make_context(session, org="T0ACME", now=attack.office.now()),
                "S0ADM",
                [ADA],
                read_at=clock.real_now(session),
            )


# --- whether the sweep can tell at all


@pytest.mark.heavy
def test_what_is_forged_reaches_what_it_names(attack: Attack) -> None:
    """Sent by people who may see it, what names the secret is answered otherwise than what names nothing.

    It stands last: what they send counts.
    """
    if not attack.office.db.is_sqlite:
        pytest.skip("what a payload carries is the same on both databases")
    missed: set[str] | None = None
    for slack_id in (OLA, TIM, LIA):
        secret, absent = (
            one_each(
                [
                    case
                    for case in attack.everything(slack_id, about)
                    if case.kind != "click in a window" or case.name in forged.WINDOWS
                ]
            )
            for about in (attack.planted, ABSENT)
        )
        attack.send(absent)
        attack.send(secret)
        same = {one.where for one in secret} - {
            one.where
            for one, other in zip(secret, absent, strict=True)
            if told(one, attack.planted) != told(other, ABSENT)
        }
        missed = same if missed is None else missed & same
    unexplained = sorted((missed or set()) ^ forged.TELL_NOTHING.keys())
    assert not unexplained, "\n".join(unexplained)
