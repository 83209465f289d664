"""An act on a request from outside the database, by a click or through the API: the one way to the door.

What the act rests on is taken from the mirror of Slack; where that is too old, Slack is asked between two transactions
about exactly those whom the door named.
"""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from bot.deps import Deps
from bot.slack.interactions import Place, Request
from workflows import clock
from workflows.approvable import SubjectMoved
from workflows.approvals import actions, door, service
from workflows.approvals.delegation import Takers
from workflows.approvals.forms import HandOver, OnRequest
from workflows.approvals.refusals import CardChanged, Overdue, RecordChanged, Unconfirmed
from workflows.context import SYSTEM, Actor, Context
from workflows.errors import GovernanceError, NotFound, Stale
from workflows.policy import root

CONFIRMED_WITHIN = timedelta(minutes=10)
"""How old the mirror's word on people and groups may be when somebody acts on it."""
GRACE = timedelta(minutes=1)
"""What was read a moment before the limit is not too old because Slack was asked about others meanwhile."""

T = TypeVar("T")
F = TypeVar("F", bound=OnRequest)
Also = Callable[[Context], None]


def shown_revision(deps: Deps, actor: Actor, request: Request, clicked: Place) -> int:
    """The revision that was shown. Raises the refusal of what an earlier release wrote, which does not say it."""
    if request.revision is None:
        raise unmarked(deps, actor, request.approval_id, clicked)
    return request.revision


def unmarked(deps: Deps, actor: Actor, approval_id: int, clicked: Place) -> GovernanceError:
    """The refusal of a button or window of an earlier release, which does not say what it showed: the card is drawn
    anew. Whoever may not read the request is told what is said of one that is not there, and nothing is drawn."""
    stale = CardChanged(
        "This is from before mlgov was updated, so it doesn't say what it showed you. Nothing was done; "
        "the card shows how it stands now, and `/mlgov approvals` lists what waits for you."
    )
    try:
        with deps.begin_read(actor, clicked) as ctx:
            door.require_card(ctx, approval_id)
    except NotFound as unknown:
        return unknown
    show_again(deps, approval_id, clicked, stale)
    return stale


def act(
    deps: Deps, actor: Actor, form: OnRequest, clicked: Place, *, also: Also | None = None
) -> str:
    """Do about a request what the form says; the sentence for whoever did it. `also` is done in its transaction.

    Raises GovernanceError. Where the request is not what was shown, every copy is drawn anew, the clicked one first.
    """

    def work(ctx: Context, form: OnRequest) -> str:
        sentence = actions.perform_act(ctx, form)
        if also is not None:
            also(ctx)
        return sentence

    return _act_confirmed(deps, actor, form, clicked, work)


def require_entitled(deps: Deps, actor: Actor, form: OnRequest, clicked: Place) -> None:
    """Raise what the door would, before somebody is asked to write anything."""
    _act_confirmed(deps, actor, form, clicked, actions.require_entitled)


def list_takers(
    deps: Deps, actor: Actor, form: HandOver, clicked: Place, *, query: str = ""
) -> Takers:
    """Who could take the actor's place, by name. Raises what the door would."""
    search = functools.partial(actions.list_takers, query=query)
    return _act_confirmed(deps, actor, form, clicked, search)


def _act_confirmed(
    deps: Deps, actor: Actor, form: F, clicked: Place, verb: Callable[[Context, F], T]
) -> T:
    """Do it by the mirror of Slack; where that is too old to tell, ask Slack about those named, and repeat.

    Slack is asked twice at most: about what an act rests on, and about what its answer brings up.
    """
    asked: frozenset[str] = frozenset()
    rounds = 0
    while True:
        limit = CONFIRMED_WITHIN + (GRACE if asked else timedelta())
        try:
            return deps.db.run(
                functools.partial(_act_by_mirror, deps, actor, form, clicked, verb, limit, asked)
            )
        except Unconfirmed as unread:
            if unread.named <= asked or rounds == 2:
                raise
            rounds += 1
            actor = deps.directory.confirm(
                actor.slack_id or "",
                unread.approvers,
                others=unread.people,
                max_age=CONFIRMED_WITHIN,
            )
            asked |= unread.named
        except Stale as stale:
            show_again(deps, form.approval_id, clicked, stale)
            raise


def _act_by_mirror(
    deps: Deps,
    actor: Actor,
    form: F,
    clicked: Place,
    verb: Callable[[Context, F], T],
    limit: timedelta,
    asked: frozenset[str],
    session: Session,
) -> T:
    real, now = clock.both(session)
    since = real - limit
    ctx = deps.context(session, actor, card=clicked, now=now, fresh_since=since, asked=asked)
    return verb(ctx, form)


def show_again(deps: Deps, approval_id: int, clicked: Place, stale: Stale) -> None:
    """The card was not what the record is: draw it anew. A request whose time is up ends here and now; one that rests on
    something else by now is looked at again, and who asked for what is no longer the question is asked."""

    def work(ctx: Context) -> None:
        if isinstance(stale, Overdue):
            service.expire(ctx, approval_id)
            return
        if isinstance(stale, RecordChanged | SubjectMoved):
            service.recheck(ctx, approval_id)
        if clicked is not None:
            service.redraw_card(ctx, approval_id)

    deps.act_on(clicked, SYSTEM, work)


# --- Whose standing each act rests on, said of every act there is, and Slack asked about them
#     where its word is too old
#
# An act that stands in no table counts as one that rests on what the policy gives to whoever
# acts; a test fails until somebody has said so here.

READ_WITHIN = timedelta(hours=2)
"""How old the mirror's word may be on somebody who speaks for themselves alone: two hourly readings."""


class Rests(StrEnum):
    """On whose standing an act rests. Whom its window names, whatever it is, is confirmed as well."""

    OWN = "own"
    """Whoever acts, who speaks for themselves alone: nobody else's record changes, and nothing is shown but their own.
    Slack has just signed that they did it. A check-in asks thousands at a time, and asking Slack about each would only
    end at its rate limits."""
    STANDING = "standing"
    """Whoever acts, and the user groups by which the policy means them: what they own, see and administer."""
    REQUEST = "request"
    """The same, and whoever the door of requests finds behind them: whose place they took, for whom they stand in, and
    the groups by which those decide (`workflows.approvals.door`)."""


def _table(words: Mapping[Rests, str]) -> dict[str, Rests]:
    return {name: rests for rests, names in words.items() for name in names.split()}


CLICKS = _table({
    Rests.OWN: """
        approvals.away approvals.back front.help
        maturity.answer maturity.back maturity.note maturity.open maturity.said maturity.skip
        tokens.revoke
        """,
    Rests.STANDING: """
        budget.again budget.change budgets.acknowledge budgets.break_down budgets.increase
        case.again
        cases.add_line cases.back cases.drop cases.line cases.new cases.open cases.show
        cases.ask_estimate cases.end cases.endings cases.go_on
        digests.open digests.send digests.skip
        front.all front.list_back front.list_on front.page_back front.page_on front.project front.projects front.waiting
        maturity.close maturity.details maturity.early maturity.plan maturity.single maturity.start maturity.targets
        milestone.again milestone.change milestones.add milestones.done milestones.look milestones.more
        milestones.reschedule milestones.start
        models.evidence_type models.file models.more models.open models.pick_version models.register models.send_card
        models.send_pack models.settle models.shared models.step models.step_look
        portfolio.fund portfolio.page_back portfolio.page_on portfolio.put portfolio.put_back portfolio.why
        returns.attest returns.correct returns.enter returns.page_back returns.page_on returns.report returns.show
        returns.skip returns.withdraw
        registry.accept
        """,
    Rests.REQUEST: """
        approvals.answer approvals.approve approvals.approve_with approvals.ask_again approvals.break_glass
        approvals.claim approvals.confirm approvals.details approvals.keep approvals.more approvals.reject
        approvals.review_right
        approvals.review_wrong approvals.several approvals.take_back approvals.unask approvals.unconfirmed
        approvals.withdraw
        """,
})  # fmt: skip
SUBMISSIONS = _table({
    Rests.OWN: "maturity.keep_note maturity.keep_skip maturity.next",
    Rests.STANDING: """
        approvals.away_planned
        budgets.ask budgets.change
        cases.ask cases.keep_line cases.next
        cases.submit_end cases.submit_go_on
        maturity.keep_plan maturity.keep_targets
        milestones.submit_add milestones.submit_change milestones.submit_done milestones.submit_drop
        milestones.submit_hand milestones.submit_move milestones.submit_risk milestones.submit_snooze
        models.submit_assess models.submit_classify models.submit_describe models.submit_evidence models.submit_finding
        models.submit_look models.submit_register models.submit_review models.submit_settle models.submit_step
        models.submit_version models.submit_waive
        portfolio.submit_fund portfolio.submit_put
        returns.submit_report returns.submit_skip returns.submit_withdraw
        tokens.make
        """,
    Rests.REQUEST: """
        approvals.answer_given approvals.approve_comment approvals.conditions approvals.glass_broken
        approvals.glass_wrong approvals.hand_over approvals.missing approvals.proof approvals.question
        approvals.reject_reason approvals.several_decided
        """,
})  # fmt: skip
SEARCHES = _table(
    {
        Rests.STANDING: "models.pick_project models.pick_upstream models.pick_version",
        Rests.REQUEST: "approvals.takers",
    }
)
WORDS = {"": Rests.STANDING} | _table(
    {
        Rests.OWN: "away help token",
        Rests.STANDING: "approvals budget digest maturity milestones model models portfolio propose rollout status",
    }
)
SHORTCUTS = _table({Rests.STANDING: "cases.from_message milestones.promise models.from_message"})
REPLIES = _table({Rests.REQUEST: "approval.note"})
FILES = _table({Rests.STANDING: "shared"})
HOME = _table({Rests.STANDING: "opened"})
PATHS: Mapping[str, Rests] = {
    **dict.fromkeys((
        "POST /approvals", "GET /approvals", "GET /approvals/{approval_id}", "GET /approvals/{approval_id}/statement",
        "POST /costs", "POST /returns", "GET /status/{project}",
        "POST /cases", "GET /cases/{case_id}", "GET /portfolio",
        "GET /models", "POST /models", "GET /models/{key}", "POST /models/{key}/versions",
        "GET /models/{key}/versions/{version}/check", "POST /models/{key}/versions/{version}/evidence",
        "POST /models/{key}/versions/{version}/predictions", "POST /models/{key}/versions/{version}/steps",
        "POST /models/{key}/versions/{version}/readings", "POST /models/{key}/findings",
        "GET /models/{key}/versions/{version}/card", "GET /models/{key}/versions/{version}/pack",
        "GET /models/{key}/versions/{version}/pack.html",
    ), Rests.STANDING),
    **dict.fromkeys(
        ("POST /approvals/{approval_id}/decisions", "POST /approvals/{approval_id}/withdraw"), Rests.REQUEST
    ),
}  # fmt: skip
"""By verb and path, for a person's own token. A program's rests on whoever made it for that program."""

TABLES: Mapping[str, Mapping[str, Rests]] = {
    "click": CLICKS,
    "submission": SUBMISSIONS,
    "search": SEARCHES,
    "command": WORDS,
    "shortcut": SHORTCUTS,
    "reply": REPLIES,
    "file": FILES,
    "home": HOME,
    "api": PATHS,
}
"""By the kind of what somebody does (`bot.slack.requests.Kind`), the API's calls and the Home tab included."""


def confirm_actor(
    deps: Deps, actor: Actor, kind: str, name: str, *, named: Collection[str] = ()
) -> Actor:
    """Whoever acts, as Slack has them: it is asked about whomever this act rests on, where its word is too old.

    `named` are people whom they name, by Slack id. For before every transaction. Raises CannotVerify where Slack can't be
    asked in time. Whether who comes back may do it is for others to say.
    """
    rests = TABLES[kind].get(name, Rests.STANDING)
    is_own = rests is Rests.OWN
    return deps.directory.stands(
        actor,
        words=() if is_own else root.people(deps.policy),
        max_age=READ_WITHIN if is_own else CONFIRMED_WITHIN,
        named=named,
        named_age=CONFIRMED_WITHIN,
    )


def confirm_named(deps: Deps, actor: Actor, named: Collection[str]) -> None:
    """Slack's word is fresh on people whom somebody or a program names, by Slack id. Raises CannotVerify."""
    deps.directory.stands(actor, words=(), max_age=CONFIRMED_WITHIN, named=named)


def list_named(payload: Mapping[str, Any]) -> frozenset[str]:
    """The people whom a click, or a window that was sent, names in a menu of people."""
    state = ((payload.get("view") or {}).get("state") or {}).get("values") or {}
    elements = [
        *(payload.get("actions") or ()),
        *(one for block in state.values() for one in block.values()),
    ]
    return frozenset(one for element in elements for one in _picked(element))


def _picked(element: Mapping[str, Any]) -> Iterator[str]:
    for picked in (element.get("selected_user"), *(element.get("selected_users") or ())):
        if picked:
            yield str(picked)
