"""An Enterprise Grid: two workspaces, a channel they share, W… ids, an org-wide installation."""

import json
from typing import Any

import pytest
from slack_sdk import WebClient

from sandbox import Sandbox
from sandbox.org import Enterprise, User
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import MANIFEST, MakeSandbox, client_of
from tests.sandbox.test_web_api import refused

GRID: dict[str, Any] = {
    "enterprise": {"id": "E0ACME", "name": "Acme Group", "domain": "acme-group"},
    "teams": [
        {"id": "T0ONE", "name": "One", "domain": "one"},
        {"id": "T0TWO", "name": "Two", "domain": "two"},
        {"id": "T0OUT", "name": "Out", "domain": "out", "foreign": True, "enterprise_id": "E0OUT"},
    ],
    "users": [
        {"id": "W0ANA", "name": "ana", "teams": ["T0ONE", "T0TWO"]},
        {"id": "W0TWO", "name": "two", "team": "T0TWO"},
        {"id": "W0OUT", "name": "out", "team": "T0OUT"},
        {"name": "nameless"},
    ],
    "channels": [
        {"id": "C0BOTH", "name": "both", "teams": ["T0ONE", "T0TWO"], "members": ["W0ANA", "W0TWO"],
         "app": True},
        {"id": "C0TWO", "name": "only-two", "teams": ["T0TWO"], "members": ["W0TWO"]},
        {"id": "C0EXT", "name": "ext", "teams": ["T0ONE", "T0OUT"], "members": ["W0ANA", "W0OUT"],
         "app": True},
    ],
    "usergroups": [{"id": "S0X", "handle": "x", "users": ["W0ANA"]}],
}  # fmt: skip
ORG_WIDE = GRID | {"app": {"name": "Helper", "org_wide": True}}


@pytest.fixture
def grid(make_sandbox: MakeSandbox) -> Sandbox:
    """The app in one workspace of the Grid."""
    return make_sandbox(org=GRID)


def test_people_belong_to_the_organisation(grid: Sandbox) -> None:
    client = client_of(grid)
    auth = client.auth_test()
    assert (auth["enterprise_id"], auth["team_id"]) == ("E0ACME", "T0ONE")
    ana = client.users_info(user="W0ANA")["user"]
    assert ana["enterprise_user"]["enterprise_id"] == "E0ACME"
    assert ana["enterprise_user"]["teams"] == ["T0ONE", "T0TWO"]
    out = client.users_info(user="W0OUT")["user"]
    assert out["enterprise_user"]["enterprise_id"] == "E0OUT"
    assert out["is_stranger"] is False
    assert any(
        one.id.startswith("W0") and one.name == "nameless" for one in grid.world.users.values()
    )


def test_a_channel_is_shared_between_workspaces(grid: Sandbox) -> None:
    client = client_of(grid)
    both = client.conversations_info(channel="C0BOTH")["channel"]
    assert (both["is_org_shared"], both["is_ext_shared"]) == (True, False)
    assert both["shared_team_ids"] == ["T0ONE", "T0TWO"]
    ext = client.conversations_info(channel="C0EXT")["channel"]
    assert (ext["is_org_shared"], ext["is_ext_shared"]) == (False, True)
    assert ext["connected_team_ids"] == ["T0OUT"]
    assert refused(client.conversations_info, channel="C0TWO") == "channel_not_found"
    assert {one["id"] for one in client.conversations_list()["channels"]} == {"C0BOTH", "C0EXT"}


def test_an_org_wide_installation_is_told_its_workspaces(make_sandbox: MakeSandbox) -> None:
    client = client_of(make_sandbox(org=ORG_WIDE))
    first = client.auth_teams_list(limit=1)
    rest = client.auth_teams_list(cursor=first["response_metadata"]["next_cursor"])
    told = [*first["teams"], *rest["teams"]]
    assert {one["id"] for one in told} == {"T0ONE", "T0TWO"}
    assert all(one["name"] for one in told)
    assert refused(client.auth_teams_list, limit=1001) == "invalid_limit"


def test_an_org_wide_installation_names_its_workspace(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(org=ORG_WIDE)
    client: WebClient = client_of(sandbox)
    auth = client.auth_test()
    assert auth["is_enterprise_install"] is True
    assert auth["team_id"] == "E0ACME"
    assert refused(client.conversations_list) == "missing_argument"
    assert refused(client.users_list, team_id="T0NONE") == "team_not_found"
    two = client.conversations_list(team_id="T0TWO")["channels"]
    assert {one["id"] for one in two} == {"C0BOTH", "C0TWO"}
    assert "W0TWO" in {one["id"] for one in client.users_list(team_id="T0TWO")["members"]}


@pytest.mark.parametrize("org_wide", [False, True])
def test_payloads_say_which_organisation(make_sandbox: MakeSandbox, org_wide: bool) -> None:
    sandbox = make_sandbox(org=ORG_WIDE if org_wide else GRID)
    app = bolt_app(sandbox)
    bodies: list[dict[str, Any]] = []

    @app.command("/helper")
    def helper(ack: Any, body: Any) -> None:
        ack()
        bodies.append(body)

    @app.action("go")
    def go(ack: Any, body: Any) -> None:
        ack()
        bodies.append(body)

    http = HttpApp(app)
    sandbox.deliver_to(http.url)
    seat = sandbox.seat("W0ANA", "T0TWO")
    assert seat.slash("/helper", "", "C0BOTH").ok
    block = {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
        ],
    }
    ts = client_of(sandbox).chat_postMessage(channel="C0BOTH", text="t", blocks=[block])["ts"]
    assert seat.click(channel_id="C0BOTH", ts=ts, action_id="go").ok
    sandbox.world.update_user("W0TWO", title="x")
    assert sandbox.wait_idle()
    event = json.loads(http.seen[-1][1])
    http.stop()
    assert bodies[0]["team_id"] == "T0TWO"
    assert bodies[0]["enterprise_id"] == "E0ACME"
    assert bodies[0]["is_enterprise_install"] == str(org_wide).lower()
    assert bodies[1]["enterprise"] == {"id": "E0ACME", "name": "Acme Group"}
    assert bodies[1]["is_enterprise_install"] is org_wide
    if org_wide:
        assert bodies[1]["team"] is None
    else:
        assert bodies[1]["team"] == {
            "id": "T0TWO",
            "domain": "two",
            "enterprise_id": "E0ACME",
            "enterprise_name": "Acme Group",
        }
    assert event["enterprise_id"] == "E0ACME"
    assert event["authorizations"][0]["is_enterprise_install"] is org_wide


def test_an_organisation_that_makes_no_sense_is_refused(make_sandbox: MakeSandbox) -> None:
    for data, words in [
        ({"users": [{"name": "a", "team": "T0NONE"}]}, "no workspace T0NONE"),
        ({"users": [{"nam": "a"}]}, "unknown nam"),
        ({"channels": [{"name": "c", "members": ["U0NONE"]}]}, "no user U0NONE"),
        ({"app": {"org_wide": True}}, "needs an `enterprise`"),
        ({"channels": [{}]}, "give it a `name`"),
    ]:
        with pytest.raises(ValueError, match=words):
            make_sandbox(org=data)
    with pytest.raises(ValueError, match="no app manifest"):
        make_sandbox(manifest={})
    assert MANIFEST["display_information"]


JOINED = {"U0ANA": "W0ANA", "U0BEN": "W0BEN"}
"""Who was in the workspace before it joined a Grid, by the id that they had."""


def joined(make_sandbox: MakeSandbox, *, translates_ids: bool = True) -> Sandbox:
    """A workspace that has joined a Grid, where Cy came later."""
    scopes = MANIFEST["oauth_config"]["scopes"]
    wider = {"scopes": scopes | {"bot": [*scopes["bot"], "tokens.basic"]}}
    sandbox = make_sandbox(
        manifest=MANIFEST | {"oauth_config": wider},
        org={
            "teams": [{"id": "T0ONE", "name": "One", "domain": "one"}],
            "users": [{"id": "U0ANA", "name": "ana"}, {"id": "U0BEN", "name": "ben"}],
            "channels": [{"id": "C0ONE", "name": "one", "members": ["U0ANA"], "app": True}],
            "usergroups": [{"id": "S0X", "handle": "x", "users": ["U0ANA"]}],
        },
    )
    sandbox.world.join_grid(
        Enterprise("E0ACME", "Acme", "acme"), JOINED, translates_ids=translates_ids
    )
    sandbox.world.add_user(User("W0CY", "T0ONE", "cy", "Cy"))
    return sandbox


def test_who_was_in_a_workspace_that_joins_a_grid_has_two_ids(make_sandbox: MakeSandbox) -> None:
    client = client_of(joined(make_sandbox))
    auth = client.auth_test()
    assert (auth["enterprise_id"], auth["team_id"]) == ("E0ACME", "T0ONE")
    for either in ("U0ANA", "W0ANA"):
        ana = client.users_info(user=either)["user"]
        assert (ana["id"], ana["enterprise_user"]["id"]) == ("U0ANA", "W0ANA")
    cy = client.users_info(user="W0CY")["user"]
    assert (cy["id"], cy["enterprise_user"]["id"]) == ("W0CY", "W0CY")
    assert client.usergroups_users_list(usergroup="S0X")["users"] == ["U0ANA"]


def test_without_the_translation_layer_only_the_grids_ids_are_heard_and_known(
    make_sandbox: MakeSandbox,
) -> None:
    client = client_of(joined(make_sandbox, translates_ids=False))
    ana = client.users_info(user="W0ANA")["user"]
    assert (ana["id"], ana["enterprise_user"]["id"]) == ("W0ANA", "W0ANA")
    assert refused(client.users_info, user="U0ANA") == "user_not_found"
    assert client.usergroups_users_list(usergroup="S0X")["users"] == ["W0ANA"]
    opened = client.conversations_open(users="W0ANA")["channel"]["id"]
    assert client.chat_postMessage(channel=opened, text="Hello <@W0ANA>")["ok"]


def test_ids_are_exchanged_as_slack_documents_it(make_sandbox: MakeSandbox) -> None:
    client = client_of(joined(make_sandbox))
    answer = client.migration_exchange(users=["U0ANA", "W0CY", "U0NOBODY"])
    assert answer["user_id_map"] == {"U0ANA": "W0ANA", "W0CY": "W0CY"}
    assert answer["invalid_user_ids"] == ["U0NOBODY"]
    assert (answer["enterprise_id"], answer["team_id"]) == ("E0ACME", "T0ONE")
    back = client.migration_exchange(users=["W0ANA", "W0CY"], to_old=True)
    assert back["user_id_map"] == {"W0ANA": "U0ANA", "W0CY": "W0CY"}
    many = [f"U{number:04}" for number in range(401)]
    assert refused(client.migration_exchange, users=many) == "too_many_users"


def test_ids_are_exchanged_on_a_grid_alone_and_with_the_scope(make_sandbox: MakeSandbox) -> None:
    scopes = MANIFEST["oauth_config"]["scopes"]
    wider = {"scopes": scopes | {"bot": [*scopes["bot"], "tokens.basic"]}}
    alone = make_sandbox(manifest=MANIFEST | {"oauth_config": wider})
    assert refused(client_of(alone).migration_exchange, users=["U0ANA"]) == "not_enterprise_team"
    lacking = make_sandbox(org=GRID)
    assert refused(client_of(lacking).migration_exchange, users=["W0ANA"]) == "missing_scope"
