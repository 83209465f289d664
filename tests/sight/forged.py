"""What each button, window, menu, word and path carries, with ids that its sender was never offered.

The sweep takes the ids from the router and from the API's document. One that is new has to be put here, or the sweep
fails: `{…}` are fields of `Planted`, `{own}` is a model of the sender's own.
"""

from typing import Any

SEEN = "{request}:{revision}"
PLACED = "{request}:{revision}:{place}"
CONDITION = "{request}:{revision}:{condition}:1"
MILESTONE = "{milestone}:1"
CASE = "{case}:{case_revision}"
AT = "{model}:1:{version}:1"
"""What a card of a model carries behind its verb."""
OWN = "{own}:1:{own_version}:1"
NOTHING: tuple[str, ...] = ("",)
"""Of what is the sender's own by itself: it names nothing."""

CLICKS: dict[str, tuple[str, ...]] = {
    "approvals.answer": (SEEN, "{request}", "{request}:9"),
    "approvals.ask_again": (f"{SEEN}:1/2026-01-01/open", "{request}:9:-", SEEN),
    "approvals.keep": (f"{SEEN}:1/2026-01-01/open", "{request}:9"),
    "approvals.approve": (SEEN, "{request}", "{request}:9"),
    "approvals.approve_with": (SEEN, "{request}:9"),
    "approvals.away": NOTHING,
    "approvals.back": ("{absence}",),
    "approvals.break_glass": (SEEN, "{request}", "{request}:9"),
    "approvals.claim": (CONDITION, SEEN),
    "approvals.confirm": (CONDITION, SEEN),
    "approvals.details": (SEEN, "{request}"),
    "approvals.more": (
        f"conditions:{SEEN}", f"ask:{SEEN}", f"hand_over:{SEEN}", f"nudge:{SEEN}",
    ),
    "approvals.reject": (SEEN, "{request}:9"),
    "approvals.review_right": (SEEN, "{request}:9"),
    "approvals.review_wrong": (SEEN, "{request}:9"),
    "approvals.several": NOTHING,
    "approvals.take_back": (SEEN, "{request}:9"),
    "approvals.unask": (SEEN, "{request}:9"),
    "approvals.unconfirmed": (CONDITION, SEEN),
    "approvals.withdraw": (SEEN, "{request}:9"),
    "budget.again": ("{request}", SEEN),
    "budget.change": ("{request}", SEEN),
    "budgets.acknowledge": ("{alert}",),
    "budgets.break_down": ("{budget}",),
    "budgets.increase": ("{budget}:1",),
    "case.again": (SEEN,),
    "cases.add_line": ("{case}:{case_revision}:revenue", "{case}:{case_revision}:nothing"),
    "cases.ask_estimate": ("{check}:9",),
    "cases.back": ("{case}:1", "{case}:8"),
    "cases.drop": (CASE, "{case}:999"),
    "cases.end": ("stopped:{project}", "resumed:{project}"),
    "cases.endings": ("{project}",),
    "cases.go_on": ("{check}:1", "{check}:9"),
    "cases.line": (f"change:{CASE}:1", f"remove:{CASE}:1"),
    "cases.new": NOTHING,
    "cases.open": ("{case}:2",),
    "cases.show": ("{case}",),
    "digests.open": ("{digest}:budgets", "{digest}:milestones", "{digest}:decisions"),
    "digests.send": ("{release}",),
    "digests.skip": ("{release}",),
    "front.all": NOTHING,
    "front.help": NOTHING,
    "front.list_back": ("all:0", "mine:0"),
    "front.list_on": ("all:1",),
    "front.page_back": ("projects:0",),
    "front.page_on": ("projects:1",),
    "front.project": ("{project}",),
    "front.projects": NOTHING,
    "front.waiting": NOTHING,
    "maturity.answer": ("yes",),
    "maturity.back": ("{invitation}:0",),
    "maturity.close": ("{cycle}",),
    "maturity.details": ("{cycle}",),
    "maturity.early": ("{cycle}",),
    "maturity.note": ("{invitation}:0",),
    "maturity.open": ("{invitation}:0",),
    "maturity.plan": ("org.teams|{unit}",),
    "maturity.said": ("{invitation}:0",),
    "maturity.single": ("{cycle}",),
    "maturity.skip": ("{invitation}:0",),
    "maturity.start": ("{unit}", "-"),
    "maturity.targets": ("{unit}", "-"),
    "milestone.again": (SEEN,),
    "milestone.change": (SEEN,),
    "milestones.add": ("{project}",),
    "milestones.done": (MILESTONE, "{milestone}:9"),
    "milestones.look": ("{milestone_list}",),
    "milestones.more": tuple(
        f"{verb}:{MILESTONE}"
        for verb in ("details", "milestones.done", "milestones.reschedule", "risk", "track", "snooze", "hand", "drop")
    ),
    "milestones.reschedule": (MILESTONE, "{milestone}:9"),
    "milestones.start": ("{milestone_list}",),
    "models.evidence_type": ("datasheet",),
    "models.file": ("{evidence}",),
    "models.more": tuple(
        f"{verb}:{AT}"
        for verb in (
            "describe", "assess", "version", "evidence", "look", "waive", "finding", "review",
            "classify", "card", "submit", "pass",
        )
    ),
    "models.open": ("{model}:{version}", "{own}:{version}", "{model}"),
    "models.pick_version": ("{model}:{version}", "{own}:{own_version}"),
    "models.register": NOTHING,
    "models.send_card": ("{model}:{version}",),
    "models.send_pack": ("{model}:{version}",),
    "models.settle": ("{finding}:1",),
    "models.shared": ("{file}",),
    "models.step": (f"submit:{AT}", "submit:{own}:1:{version}:1"),
    "models.step_look": (f"submit:{AT}",),
    "portfolio.fund": NOTHING,
    "portfolio.page_back": ("all:0", "{unit}:0"),
    "portfolio.page_on": ("all:1", "{unit}:1"),
    "portfolio.put": ("{project}",),
    "portfolio.put_back": ("{project}",),
    "portfolio.why": ("{project}",),
    "registry.accept": ("0", "1", "-"),
    "returns.attest": ("{returned}",),
    "returns.correct": ("{returned}",),
    "returns.enter": ("{asking}",),
    "returns.page_back": ("all:0", "{unit}:0"),
    "returns.page_on": ("all:1", "{unit}:1"),
    "returns.report": ("{project}",),
    "returns.show": ("{project}",),
    "returns.skip": ("{asking}",),
    "returns.withdraw": ("{returned}",),
    "tokens.revoke": ("{token}",),
}  # fmt: skip
"""Action → the values of its button."""
WINDOWS: dict[str, tuple[str, ...]] = {
    "maturity.answer": ("{invitation}:0",),
    "models.evidence_type": (f"evidence:{AT}::", f"evidence:{OWN}:::{{file}}"),
    "models.pick_version": ("{file}",),
}
"""Action → what the window that it is used in carries, where that is more than a window."""

BLOCKS = {"maturity.answer": "org.teams"}
"""Action → the block that it stands in, where that says something."""

SUBMISSIONS: dict[str, tuple[str, ...]] = {
    "approvals.answer_given": (PLACED,),
    "approvals.approve_comment": (PLACED,),
    "approvals.away_planned": NOTHING,
    "approvals.conditions": (PLACED,),
    "approvals.glass_broken": (PLACED, "{request}:9:{place}"),
    "approvals.glass_wrong": (PLACED,),
    "approvals.hand_over": (PLACED,),
    "approvals.missing": (f"{PLACED}:{{condition}}:1",),
    "approvals.proof": (f"{PLACED}:{{condition}}:1",),
    "approvals.question": (PLACED,),
    "approvals.reject_reason": (PLACED, "{request}:9:{place}"),
    "approvals.several_decided": NOTHING,
    "budgets.ask": ("{budget}:1", "{budget}:1::{place}", "{budget}:9"),
    "budgets.change": ("{budget}:1:{request}:{place}:{revision}",),
    "cases.ask": (f"{CASE}:8::",),
    "cases.keep_line": (f"{CASE}:0:revenue", f"{CASE}:1:revenue"),
    "cases.next": (f"{CASE}:1::", f"{CASE}:5::", "0:0:1:C0VAULT|1.2:00"),
    "cases.submit_end": ("paused:live:{project}", "resumed:in_progress:{project}"),
    "cases.submit_go_on": ("{check}:9",),
    "maturity.keep_note": ("{invitation}:0",),
    "maturity.keep_plan": ("org.teams|{unit}",),
    "maturity.keep_skip": ("{invitation}",),
    "maturity.keep_targets": ("{unit}",),
    "maturity.next": ("{invitation}:0",),
    "milestones.submit_add": (
        '{{"project": "{project}", "promise": ""}}',
        '{{"project": null, "promise": "C0OPEN:1.2"}}',
        '{{"project": "{project}", "promise": "C0VAULT:1.2"}}',
        '{{"project": "{project}", "promise": "C0VAULT:1.2", "seal": "00"}}',
    ),
    "milestones.submit_change": (f"{MILESTONE}:{{place}}:{SEEN}",),
    "milestones.submit_done": (f"{MILESTONE}:{{place}}", "{milestone}:9:{place}"),
    "milestones.submit_drop": (f"{MILESTONE}:{{place}}",),
    "milestones.submit_hand": (f"{MILESTONE}:{{place}}",),
    "milestones.submit_move": (f"{MILESTONE}:{{place}}",),
    "milestones.submit_risk": (f"{MILESTONE}:{{place}}",),
    "milestones.submit_snooze": (f"{MILESTONE}:{{place}}",),
    "models.submit_assess": (f"assess:{AT}:{{place}}", "assess:{model}:9:0:0"),
    "models.submit_classify": (f"classify:{AT}:{{place}}:0",),
    "models.submit_describe": (f"describe:{AT}:{{place}}", f"describe:{OWN}:{{place}}"),
    "models.submit_evidence": (
        f"evidence:{AT}:{{place}}",
        f"evidence:{AT}:{{place}}:{{file}}",
        f"evidence:{OWN}:{{place}}",
        f"evidence:{OWN}:{{place}}:{{file}}",
        "evidence:{own}:1:{version}:1:{place}",
    ),
    "models.submit_finding": (f"finding:{AT}:{{place}}", "finding:{own}:1:{version}:1"),
    "models.submit_look": (f"look:{AT}:{{place}}", f"look:{OWN}"),
    "models.submit_register": ("", "C0VAULT", "C0VAULT:00"),
    "models.submit_review": (f"review:{AT}:{{place}}:2026-03-01",),
    "models.submit_settle": ("settle:{model}:1:0:{finding}", "settle:{own}:1:0:{finding}"),
    "models.submit_step": (f"submit:{AT}:{{place}}", f"pass:{AT}:{{place}}"),
    "models.submit_version": (f"version:{AT}:{{place}}",),
    "models.submit_waive": (f"waive:{AT}:{{place}}", "waive:{own}:1:{version}:1"),
    "portfolio.submit_fund": NOTHING,
    "portfolio.submit_put": ("{project}",),
    "returns.submit_report": ("{project_id}:0::", "{project_id}:{returned}::"),
    "returns.submit_skip": ("{asking}::",),
    "returns.submit_withdraw": ("{returned}",),
    "tokens.make": NOTHING,
}
"""Window → the metadata it was opened with."""
ENTERED: dict[str, dict[str, Any]] = {
    "amount": {"value": "99999"},
    "scope": {"selected_option": {"value": "period"}},
    "reason": {"value": "It has to be so, for once."},
    "note": {"value": "A word."},
    "question": {"value": "Why?"},
    "answer": {"value": "Because."},
    "proof": {"value": "It is done."},
    "missing": {"value": "The rest."},
    "to": {"selected_user": "U0FAY"},
    "text_0": {"value": "Show the bill."},
    "owner_0": {"selected_user": "U0OLA"},
    "due_0": {"selected_date": "2026-02-02"},
    "on": {"selected_date": "2026-01-20"},
    "new": {"selected_date": "2026-03-20"},
    "until": {"selected_date": "2026-02-20"},
    "due": {"selected_date": "2026-03-20"},
    "title": {"value": "A promise"},
    "owner": {"selected_user": "U0NED"},
    "project": {"selected_option": {"value": "{project}"}},
    "needs": {"selected_options": [{"value": "{milestone}"}]},
    "name": {"value": "Another score"},
    "kind": {"selected_option": {"value": "internal"}},
    "purpose": {"value": "To score."},
    "exposure": {"selected_option": {"value": "low"}},
    "purpose_class": {"selected_option": {"value": "informational"}},
    "eu_class": {"selected_option": {"value": "minimal"}},
    "affects_people": {"selected_option": {"value": "no"}},
    "upstream": {"selected_options": [{"value": "{model_key}"}]},
    "version": {"value": "9.9"},
    "type": {"selected_option": {"value": "datasheet"}},
    "uri": {"value": ""},
    "summary": {"value": "What it is."},
    "file": {"files": [{"id": "{file}"}]},
    "severity": {"selected_option": {"value": "low"}},
    "word": {"value": "A word on it."},
    "how": {"selected_option": {"value": "progress"}},
    "comment": {"value": "A comment."},
    "link": {"value": ""},
    "lasts": {"selected_option": {"value": "7"}},
    "verdict": {"selected_option": {"value": "approve"}},
    "place": {"value": "1"},
    "money": {"value": "500,000"},
    "currency": {"value": "EUR"},
    "together": {"value": "{project} + other"},
    "learnt": {"value": "Ask first."},
    "problem": {"value": "It takes too long."},
    "starts": {"selected_date": "2026-01-01"},
    "ends": {"selected_date": "2026-01-20"},
    "pick:{request}:{revision}": {"selected_options": [{"value": "yes"}]},
    "pick:{evidence}:1": {"selected_options": [{"value": "yes"}]},
}
"""What is entered into each of them, by block."""
INSTEAD: dict[str, dict[str, dict[str, Any]]] = {
    "milestones.submit_add": {"type": {"selected_option": {"value": "other"}}},
    "maturity.keep_targets": {},
    # One that comes to nothing: a token of their own is theirs to make.
    "tokens.make": {"lasts": {"selected_option": {"value": "for ever"}}},
    "approvals.away_planned": {
        "stand_in": {"selected_user": "U0NED"},
        "since": {"selected_date": "2026-02-02"},
        "until": {"selected_date": "2026-02-01"},
    },
}
"""Where a window asks otherwise."""

SEARCHES: dict[str, tuple[str, ...]] = {
    "approvals.takers": (PLACED,),
    "models.pick_project": (f"describe:{AT}",),
    "models.pick_upstream": (f"describe:{AT}", f"describe:{OWN}"),
    "models.pick_version": ("{file}",),
}
"""Menu → the metadata of the window that it is in."""
QUERIES = ("", "quag", "tap", "vault")

WORDS: dict[str, tuple[str, ...]] = {
    "": NOTHING,
    "approvals": NOTHING,
    "away": ("",),
    "budget": ("{project}", ""),
    "digest": ("", "preview", "last"),
    "help": NOTHING,
    "maturity": ("", "answers", "targets", "targets {unit}", "start {unit}", "close"),
    "milestones": ("{project}", ""),
    "model": ("{model_key}", "{model_key}:7.7"),
    "models": ("{model_key}", "", "claims"),
    "portfolio": ("", "{unit}", "arrival", "returns", "returns {unit}"),
    "propose": ("",),
    "rollout": NOTHING,
    "status": ("{project}", "", "all", "quagga vault"),
    "token": NOTHING,
}
"""Word → what follows it."""
SHORTCUTS = frozenset({"cases.from_message", "milestones.promise", "models.from_message"})
REPLIES = frozenset({"approval.note"})

PATHS: dict[str, Any] = {
    "POST /approvals": {
        "gate": "production-release", "subject": "a:1", "digest": "sha256:" + "ab" * 32,
        "project": "{project}", "commit": "9c1e2f4a77", "environment": "production", "reason": "Now.",
    },
    "GET /approvals": None,
    "GET /approvals/{approval_id}": None,
    "GET /approvals/{approval_id}/statement": None,
    "POST /approvals/{approval_id}/decisions": {"verdict": "approve", "revision": "{revision}"},
    "POST /approvals/{approval_id}/withdraw": {"revision": "{revision}"},
    "POST /costs": {
        "source": "quota", "rows": [
            {"day": "2026-01-20", "amount": "1", "currency": "EUR", "project": "{project}"}
        ],
    },
    "GET /status/{project}": None,
    "POST /cases": {
        "title": "Another one", "project": "{project}", "starts": "2026-03-01", "months": 12,
        "currency": "EUR", "reason": "Now.",
    },
    "GET /cases/{case_id}": None,
    "GET /portfolio": None,
    "POST /returns": {
        "project": "{project}", "starts": "2026-01-01", "ends": "2026-01-20", "amount": "5",
    },
    "GET /models": None,
    "POST /models": {"name": "Another one", "project": "{project}", "owner": "U0NED"},
    "GET /models/{key}": None,
    "POST /models/{key}/versions": {"version": "9.9"},
    "GET /models/{key}/versions/{version}/check": None,
    "POST /models/{key}/versions/{version}/evidence": {"type": "datasheet", "summary": "x"},
    "POST /models/{key}/versions/{version}/predictions": "bytes",
    "POST /models/{key}/versions/{version}/steps": {"step": "submit"},
    "POST /models/{key}/versions/{version}/readings": [{"metric": "accuracy", "value": "1"}],
    "POST /models/{key}/findings": {"words": "Something", "severity": "low"},
    "GET /models/{key}/versions/{version}/card": None,
    "GET /models/{key}/versions/{version}/pack": None,
    "GET /models/{key}/versions/{version}/pack.html": None,
}  # fmt: skip
"""Path of the API, with its verb → the body."""
FOR_ANYBODY = {
    "GET /keys": "public keys prove statements to everybody",
    "GET /statements/{statement_id}": "whoever holds a statement asks whether it stands; its id cannot be guessed",
}
"""Paths that need no token, and why."""

TELL_NOTHING: dict[str, str] = {
    **dict.fromkeys(
        (
            "click approvals.away", "click approvals.several", "click cases.new", "click front.help",
            "click front.page_back", "click portfolio.fund", "click portfolio.page_back", "click portfolio.page_on", "command portfolio",
            "shortcut cases.from_message", "word portfolio",
            "click front.page_on", "click models.register", "click registry.accept", "command digest",
            "command help", "command rollout", "shortcut models.from_message", "submission approvals.away_planned",
            "submission tokens.make", "word digest", "word help", "word rollout", "word token",
        ),
        "it names nothing",
    ),
    **dict.fromkeys(
        ("click maturity.answer", "click models.evidence_type", "click models.pick_version"),
        "what it names stands in its window, in which it is tried too",
    ),
    "click case.again": "the request that was planted is about a budget",
    "submission portfolio.submit_fund": "nothing of what was planted is estimated",
    "search approvals.takers": "nobody else can decide what was planted",
    "click digests.open": "the digest that was planted is empty",
    "click maturity.early": "too few answered",
    "click maturity.single": "the policy names no assessors",
    **dict.fromkeys(
        (
            "click maturity.plan", "click maturity.start", "submission maturity.keep_plan",
            "submission maturity.keep_targets",
        ),
        "it is for leaders alone, who may name any unit",
    ),
}  # fmt: skip
"""What is answered the same to those who may see the secret, and why."""
