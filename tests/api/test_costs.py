"""Who may change which cost: a source belongs to whoever opened it, and a bound token touches its own projects' rows alone."""

from datetime import date
from pathlib import Path

import pytest

from storage.enums import Scope
from tests import cli
from tests.api.conftest import Api
from tests.budgets.conftest import Charge, bill
from tests.contexts import make_context
from workflows.context import OPERATOR
from workflows.tokens import service as tokens

COSTS = (Scope.COSTS, Scope.STATUS)


def rows(**amounts: str) -> list[dict[str, str]]:
    return [
        {"day": "2026-01-20", "amount": amount, "currency": "EUR", "project": project}
        for project, amount in amounts.items()
    ]


def spent(api: Api, reader: str, project: str) -> str:
    return str(api.get(f"/status/{project}", reader).json()["budgets"][0]["spent"])


@pytest.fixture
def reader(api: Api) -> str:
    """Two projects, and a token that reads how both stand."""
    api.office.project("vision", "Lane vision")
    return api.token("reader", scopes=(Scope.STATUS,))


def test_a_token_wipes_no_cost_of_others(api: Api, reader: str) -> None:
    opener = api.token("farm", scopes=COSTS)
    both = {"source": "gpu-farm", "rows": rows(triage="700", vision="300")}
    assert api.post("/costs", opener, both).status_code == 200
    attacker = api.token("vision-ci", scopes=COSTS, projects=("vision",))
    unbound = api.token("other", scopes=COSTS)
    wipe = {"source": "gpu-farm", "rows": rows(vision="1"), "replace_period": True}
    for token in (attacker, unbound):
        for replaces in (True, False):
            refused = api.post("/costs", token, wipe | {"replace_period": replaces})
            assert (refused.status_code, refused.json()["detail"]) == (
                403,
                "The cost of gpu-farm is delivered by another token, and only that can change it. Name a source of your own, "
                "or let an operator hand this one over: `mlgov costs give 'gpu-farm' "
                f"{'vision-ci' if token == attacker else 'other'}`.",
            )
    # In another month neither: the source as a whole is the opener's.
    later = [one | {"day": "2026-02-02"} for one in rows(vision="1")]
    assert api.post("/costs", attacker, wipe | {"rows": later}).status_code == 403
    assert (spent(api, reader, "triage"), spent(api, reader, "vision")) == ("700", "300")
    assert api.post("/costs", opener, both).json()["months"][0]["what"] == "unchanged"


def test_a_source_that_is_handed_over_is_replaced_only_where_all_of_it_is_the_tokens_own(
    api: Api, reader: str
) -> None:
    opener = api.token("farm", scopes=COSTS)
    both = {"source": "gpu-farm", "rows": rows(triage="700", vision="300")}
    api.post("/costs", opener, both)
    bound = api.token("vision-ci", scopes=COSTS, projects=("vision",))
    url = api.office.bot.deps.settings.mlgov_database_url.get_secret_value()
    policy = str(api.office.bot.deps.settings.mlgov_policy)

    def mlgov(*words: str) -> tuple[int, str]:
        return cli.run(*words, MLGOV_DATABASE_URL=url, MLGOV_POLICY=policy)

    assert mlgov("costs", "give", "gpu-farm", "nobody") == (
        1,
        "No token named 'nobody' is in use. `mlgov token list` shows them.\n",
    )
    assert mlgov("costs", "give", "no-such", "farm")[0] == 1
    assert mlgov("costs", "give", "gpu-farm")[0] == 1
    assert mlgov("costs", "give", "gpu-farm", "vision-ci") == (
        0,
        "gpu-farm is delivered by the token vision-ci from now.\n",
    )
    assert "token vision-ci" in mlgov("costs", "sources")[1]
    assert api.post("/costs", opener, both).status_code == 403
    one = {"source": "gpu-farm", "rows": rows(vision="1"), "replace_period": True}
    refused = api.post("/costs", bound, one)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "gpu-farm holds cost of others for 2026-01, and this token is only for vision, so it can't replace that month. "
        "Name a source of your own, or deliver with a token for all of its projects.",
    )
    february = [each | {"day": "2026-02-02"} for each in rows(vision="5")]
    for amount in ("5", "7"):
        mine = [each | {"amount": amount} for each in february]
        taken = api.post("/costs", bound, {"source": "gpu-farm", "rows": mine})
        assert taken.status_code == 200, taken.text
        assert taken.json()["unallocated"] == {}
    assert (spent(api, reader, "triage"), spent(api, reader, "vision")) == ("700", "300")
    assert mlgov("costs", "give", "gpu-farm", "--command-line")[0] == 0
    assert "delivered by the command line" in api.post("/costs", bound, one).json()["detail"]


def test_what_the_command_line_brings_in_is_its_own(api: Api, reader: str, tmp_path: Path) -> None:
    settings = api.office.bot.deps.settings
    where = {
        "MLGOV_DATABASE_URL": settings.mlgov_database_url.get_secret_value(),
        "MLGOV_POLICY": str(settings.mlgov_policy),
    }
    file = bill(tmp_path / "own.csv", [Charge(date(2026, 1, 20), "40")])
    brings = ("import", "costs", str(file), "--source")
    code, said = cli.run(*brings, "cloud", **where)
    assert code == 0, said
    program = api.token("farm", scopes=COSTS)
    mine = {"source": "cloud", "rows": rows(triage="1"), "replace_period": True}
    refused = api.post("/costs", program, mine)
    assert refused.status_code == 403
    assert "delivered by the command line" in refused.json()["detail"]
    # Whoever operates mlgov delivers everything, and leaves a program what is its own.
    assert api.post("/costs", program, mine | {"source": "farm"}).status_code == 200
    code, said = cli.run(*brings, "farm", **where)
    assert code == 0, said
    again = api.post("/costs", program, mine | {"source": "farm"})
    assert again.status_code == 200, again.text


def test_a_token_made_anew_keeps_the_sources_of_its_name(api: Api) -> None:
    deps = api.office.bot.deps
    first = api.token("farm", scopes=COSTS)
    body = {"source": "gpu-farm", "rows": rows(triage="7")}
    assert api.post("/costs", first, body).status_code == 200
    with deps.db.begin() as session:
        tokens.revoke(
            make_context(session, actor=OPERATOR, now=deps.now(session)),
            first.rpartition("_")[0][:16],
        )
    again = api.token("farm", scopes=COSTS)
    more = body | {"rows": rows(triage="9")}
    assert api.post("/costs", again, more).json()["months"][0]["what"] == "replaced"


def test_a_rule_of_the_policy_lends_a_bound_token_no_other_project(api: Api) -> None:
    api.office.project("vision", "Lane vision")
    deps = api.office.bot.deps
    text = deps.settings.mlgov_policy.read_text()
    deps.settings.mlgov_policy.write_text(
        text + "costs:\n  allocate:\n    - {sub_account: acme-1, project: triage}\n"
    )
    code, said = cli.run(
        "policy",
        "apply",
        MLGOV_DATABASE_URL=deps.settings.mlgov_database_url.get_secret_value(),
        MLGOV_POLICY=str(deps.settings.mlgov_policy),
    )
    assert code == 0, said
    api.office.settle()
    bound = api.token("vision-ci", scopes=COSTS, projects=("vision",))
    sent = [one | {"account": "acme-1"} for one in rows(vision="5")]
    refused = api.post("/costs", bound, {"source": "mine", "rows": sent})
    assert refused.status_code == 403, refused.text
    assert "give some of these rows to other projects" in refused.json()["detail"]


def test_a_delivery_names_no_more_accounts_than_can_be_written_at_once(api: Api) -> None:
    program = api.token("farm", scopes=COSTS)
    (row,) = rows(triage="1")
    sent = [row | {"account": f"a{place}"} for place in range(2_001)]
    refused = api.post("/costs", program, {"source": "farm", "rows": sent})
    assert (refused.status_code, refused.json()["detail"]) == (
        413,
        "A delivery names at most 2,000 accounts, each with its tags, and this one names 2,001. Name fewer, or bring it in "
        "with `mlgov import costs`.",
    )
    taken = api.post("/costs", program, {"source": "farm", "rows": sent[1:]})
    assert taken.status_code == 200, taken.text
    again = api.post("/costs", program, {"source": "farm", "rows": sent[1:]})
    assert again.json()["months"][0]["what"] == "unchanged"
