"""An approval is about what was shown: where the budget moved on, the requester is asked, and no month is lowered."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from storage.approvals.tables import Approval
from storage.audit.tables import AuditEntry
from storage.budgets import queries
from storage.budgets.tables import Budget
from storage.delivery.tables import Outbox, Timer
from storage.digests import figures
from storage.enums import Period, Verdict
from tests.budgets import asking
from tests.budgets.asking import approve, ask, ask_again, decide, lapse, look
from tests.budgets.conftest import Money
from tests.contexts import make_context
from workflows import policy as policies
from workflows.approvable import SubjectMoved
from workflows.budgets import rules, service
from workflows.budgets.increase import BUDGET_INCREASE
from workflows.budgets.rules import Amount, Piece, Span
from workflows.errors import GovernanceError, Stale
from workflows.record.scanning import Look
from workflows.resting import RECHECK

JANUARY_31 = datetime(2026, 1, 31, 9, tzinfo=UTC)
FEBRUARY_1 = datetime(2026, 2, 1, 9, tzinfo=UTC)
FEBRUARY_2 = datetime(2026, 2, 2, 9, tzinfo=UTC)


ROUNDS = 18
"""Months from January 2026 on that are looked at."""


def amounts_of(money: Money) -> list[Decimal]:
    """What the budget allows in the round of each month, by the rule that alerts and cards go by."""
    found = []
    with money.db.read() as session:
        budget = session.get_one(Budget, 1)
        revisions = service.amounts(queries.list_revisions(session, [1])[1])
        for month in range(ROUNDS):
            day = date(2026 + month // 12, month % 12 + 1, 1)
            span = service.span_of(budget, day, money.policy)
            assert span is not None
            counting = rules.amount_in(revisions, span)
            assert counting is not None
            found.append(counting.amount)
    return found


def amount_of(money: Money, year: int, month: int) -> Decimal:
    """The same for one month."""
    return amounts_of(money)[(year - 2026) * 12 + month - 1]


def asked_of(money: Money, approval_id: int) -> tuple[str, str]:
    """What the card says is asked, and what holds if nobody decides."""
    with money.db.read() as session:
        row = session.get_one(Approval, approval_id)
        words = BUDGET_INCREASE.words(
            make_context(session, policy=money.policy, now=money.now), row.subject_id, row.facts
        )
    return words.asks, words.stays


def moved_on(money: Money) -> int:
    """Asked on 31 January from then on; an import of 1 February says 2,000."""
    money.budget()
    money.now = JANUARY_31
    approval_id = ask(money, "1200", "onwards")
    money.now = FEBRUARY_1
    money.budget(amount="2000")
    money.now = FEBRUARY_2
    return approval_id


def test_an_approval_does_not_lower_a_month_that_an_import_has_set_since(money: Money) -> None:
    approval_id = moved_on(money)
    with pytest.raises(SubjectMoved, match=r"From Sun 1 Feb on.* is 2,000 EUR now"):
        decide(money, approval_id)
    assert (amount_of(money, 2026, 1), amount_of(money, 2026, 2)) == (1000, 2000)


def test_the_requester_is_asked_once_and_what_they_say_is_asked_anew(money: Money) -> None:
    approval_id = moved_on(money)
    with money.db.read() as session:
        waiting = select(Timer.subject_id).where(Timer.kind == RECHECK)
        assert list(session.execute(waiting).scalars()) == [str(approval_id)]
    stands = look(money, approval_id)
    look(money, approval_id)
    with money.db.read() as session:
        notes = session.execute(
            select(Outbox.notice).where(Outbox.kind == "approval.note")
        ).scalars()
        assert [note["what"] for note in notes] == ["subject_moved"]
    ask_again(money, approval_id, stands)
    assert asked_of(money, approval_id) == (
        "raise February's budget, and from then on: 2,000 → 2,200 EUR (+10 %)",
        "the budget stays at 2,000 EUR",
    )
    decide(money, approval_id)
    assert (amount_of(money, 2026, 1), amount_of(money, 2026, 2)) == (1000, 2200)
    assert amount_of(money, 2026, 9) == 2200
    with money.db.read() as session:
        assert Look().all(session, money.now).compared.faults == ()


def test_an_answer_is_to_what_was_shown(money: Money) -> None:
    approval_id = moved_on(money)
    stands = look(money, approval_id)
    money.budget(amount="2500")
    with pytest.raises(Stale, match=r"2,500 EUR now"):
        ask_again(money, approval_id, stands)


def test_while_it_waits_a_card_says_what_there_is_now(money: Money) -> None:
    money.budget()
    approval_id = ask(money, "2300", "period")
    money.budget(amount="1700")
    assert asked_of(money, approval_id)[1] == "the budget stays at 1,700 EUR"


def test_a_rejection_needs_no_new_question(money: Money) -> None:
    approval_id = moved_on(money)
    decide(money, approval_id, Verdict.REJECT)
    assert amount_of(money, 2026, 2) == 2000


def test_an_amount_that_came_back_is_approved(money: Money) -> None:
    approval_id = moved_on(money)
    assert look(money, approval_id) is not None
    money.budget(amount="1000")
    assert look(money, approval_id) is None
    decide(money, approval_id)
    assert amount_of(money, 2026, 2) == 1200


def test_another_budget_that_takes_over_is_another_question(money: Money) -> None:
    money.budget()
    money.now = JANUARY_31
    approval_id = ask(money, "1200", "onwards")
    money.budget(amount="3000", starts="2026-02-01")
    with pytest.raises(SubjectMoved, match="From Sun 1 Feb on, the budget ends"):
        decide(money, approval_id)


def test_a_round_of_the_past_is_not_asked_about_again(money: Money) -> None:
    """January alone was asked about, and January is over: nothing is left to ask for."""
    money.budget()
    money.now = JANUARY_31
    approval_id = ask(money, "1200", "period")
    money.budget(amount="1500")
    money.now = FEBRUARY_2
    with pytest.raises(Stale, match="1,500 EUR now"):
        ask_again(money, approval_id)


def test_a_window_that_stood_over_the_end_of_a_month_asks_for_nothing(money: Money) -> None:
    money.budget()
    money.now = FEBRUARY_1
    with pytest.raises(Stale, match="changed since it was shown"):
        ask(money, "1200", "onwards", first=date(2026, 1, 1))


def test_months_of_different_amounts_all_get_what_was_shown(money: Money) -> None:
    money.budget()
    approve(money, "1500", "period")
    approval_id = ask(money, "1600", "onwards", revision=2)
    assert asked_of(money, approval_id)[0] == (
        "raise January's budget: 1,500 → 1,600 EUR (+7 %), and from Sun 1 Feb on 1,000 → 1,100 EUR"
    )
    decide(money, approval_id)
    assert [amount_of(money, 2026, month) for month in (1, 2, 12)] == [1600, 1100, 1100]
    with money.db.read() as session:
        assert Look().all(session, money.now).compared.faults == ()


def test_a_lapse_takes_back_only_its_own_change(money: Money) -> None:
    money.budget()
    approve(money, "1200", "onwards")
    with money.db.read() as session:
        first = session.execute(select(Approval.id)).scalar_one()
    money.now += timedelta(minutes=5)
    approve(money, "1500", "onwards", revision=2)
    lapse(money, first)
    assert amount_of(money, 2026, 1) == 1300
    with money.db.read() as session:
        assert Look().all(session, money.now).compared.faults == ()
        entry = session.execute(
            select(AuditEntry.body).where(AuditEntry.action == "budget.put_back")
        ).scalar_one()
    facts = json.loads(entry)["facts"]
    assert (facts["old"], facts["new"]) == ("1500", "1300")


def test_a_lapse_leaves_what_a_file_has_said_since(money: Money) -> None:
    money.budget()
    money.now = JANUARY_31
    approval_id = ask(money, "1200", "onwards")
    decide(money, approval_id)
    money.now = FEBRUARY_1
    money.budget(amount="2000")
    lapse(money, approval_id)
    assert (amount_of(money, 2026, 1), amount_of(money, 2026, 2)) == (1000, 2000)


def test_a_request_of_an_earlier_release_is_judged_by_its_revision(money: Money) -> None:
    approval_id = moved_on(money)
    with money.db.begin() as session:
        row = session.get_one(Approval, approval_id)
        row.facts = {key: row.facts[key] for key in row.facts if key != "shown"}
    with pytest.raises(SubjectMoved):
        decide(money, approval_id)


# --- another fiscal year


def in_fiscal_year_from(money: Money, month: str) -> None:
    text = f"version: 1\norganisation: {{name: Acme, fiscal_year_starts: {month}}}\n"
    money.policy = policies.parse(text).policy


def test_a_raise_of_one_quarter_stays_in_one_quarter(money: Money) -> None:
    """Asked for January to March; the fiscal year starts in February from now on."""
    money.budget(period="quarter")
    approve(money, "1300", "period")
    in_fiscal_year_from(money, "february")
    quarters = {month: amount_of(money, 2026, month) for month in (1, 2, 5)}
    assert quarters == {1: 1000, 2: 1300, 5: 1000}
    for day in (date(2026, 1, 20), date(2026, 2, 20)):
        span = rules.span_on(Period.QUARTER, day, None, day, fiscal_month=2)
        assert span is not None
        with money.db.read() as session:
            (row,) = figures.list_open_budgets(
                session,
                None,
                today=day,
                spans={Period.QUARTER: (span.first, span.last)},
                middles={Period.QUARTER: rules.middle(span)},
            )
        assert row.amount == quarters[day.month]


def test_the_fiscal_year_may_move_while_a_request_waits(money: Money) -> None:
    money.budget(period="quarter")
    approval_id = ask(money, "1300", "period")
    in_fiscal_year_from(money, "february")
    decide(money, approval_id)
    assert {month: amount_of(money, 2026, month) for month in (1, 2, 5)} == {
        1: 1000,
        2: 1300,
        5: 1000,
    }


def test_every_raise_of_one_round_counts_in_exactly_one() -> None:
    """Whatever month the fiscal year starts in, then and now."""
    for period, before, after, year in (
        (period, before, after, year)
        for period in (Period.QUARTER, Period.FISCAL_YEAR)
        for before in range(1, 13)
        for after in range(1, 13)
        for year in (2027, 2028)
    ):
        start = date(year, before, 1)
        old = rules.span_on(period, start, None, start, fiscal_month=before)
        assert old is not None
        raised = Amount(2, Decimal(1300), old.first, old.last)
        spans = {
            rules.span_on(
                period, date.min, None, old.first + timedelta(days=days), fiscal_month=after
            )
            for days in range(-400, 800, 28)
        }
        assert sum(rules.counts(raised, span) for span in spans if span) == 1


def test_pieces_are_the_same_however_far_one_looks() -> None:
    january = Span(date(2026, 1, 1), date(2026, 1, 31))
    base = Amount(1, Decimal(1000), date(2026, 1, 1), None)
    elsewhere = Amount(2, Decimal(5), date(2025, 6, 1), date(2025, 6, 30))
    ends = date(2027, 3, 9)
    for amounts in ([base], [base, elsewhere]):
        assert rules.pieces(amounts, Period.MONTH, january, onwards=True, ends=ends) == (
            Piece(date(2026, 1, 1), date(2027, 2, 28), Decimal(1000)),
        )


# --- any order of things


@dataclass
class Oracle:
    """Months by plain arithmetic: a file sets the months from today on, an approval adds, a lapse takes off again."""

    length: int
    file: Decimal = Decimal(1000)
    amounts: list[Decimal] = field(default_factory=lambda: [Decimal(1000)] * ROUNDS)
    standing: dict[int, set[int]] = field(default_factory=dict)
    """Approval → the months in which its change still stands."""
    more: dict[int, Decimal] = field(default_factory=dict)

    def imported(self, at: int, amount: Decimal) -> None:
        if amount == self.file:
            return
        self.file = amount
        since = range(at - at % self.length, ROUNDS)
        for month in since:
            self.amounts[month] = amount
            for months in self.standing.values():
                months.discard(month)

    def months(self, at: int, scope: str) -> range:
        first = at - at % self.length
        return range(first, ROUNDS if scope == "onwards" else first + self.length)

    def approved(self, id_: int, months: range, more: Decimal) -> None:
        self.more[id_], self.standing[id_] = more, set(months)
        for month in months:
            self.amounts[month] += more

    def lapsed(self, id_: int) -> None:
        for month in self.standing.pop(id_):
            self.amounts[month] -= self.more[id_]


@dataclass
class Walk:
    """One budget through a random order of asking, importing, approving, lapsing and time."""

    money: Money
    chance: random.Random
    oracle: Oracle
    at: int = 0
    waiting: tuple[int, range, Decimal, list[Decimal]] | None = None
    """The request, the months it is about, how much more, and what they had when it was shown."""
    refused: int = 0
    raised: int = 0

    def step(self) -> None:
        acts = (self.ask, self.ask, self.load, self.load, self.decide, self.decide)
        self.chance.choice((*acts, self.wait, self.lapse))()
        assert amounts_of(self.money) == self.oracle.amounts

    def wait(self) -> None:
        if self.at < ROUNDS - 7:
            self.at += 1
            self.money.now = datetime(2026 + self.at // 12, self.at % 12 + 1, 5, 9, tzinfo=UTC)

    def load(self) -> None:
        amount = Decimal(self.chance.randrange(1, 5) * 1000)
        self.money.budget(amount=str(amount), period=self.period)
        self.oracle.imported(self.at, amount)

    @property
    def period(self) -> str:
        return "quarter" if self.oracle.length == 3 else "month"

    def ask(self) -> None:
        if self.waiting is not None:
            return
        scope = self.chance.choice(("period", "onwards"))
        months = self.oracle.months(self.at, scope)
        more = Decimal(self.chance.randrange(1, 9) * 100)
        with self.money.db.read() as session:
            burn = service.find_burn(
                make_context(session, policy=self.money.policy, now=self.money.now),
                session.get_one(Budget, 1),
            )
        assert burn is not None
        self.money.now += timedelta(seconds=1)
        id_ = ask(self.money, str(burn.amount + more), scope, burn.revision)
        self.waiting = (id_, months, more, self.oracle.amounts.copy())

    def decide(self) -> None:
        if self.waiting is None:
            return
        id_, months, more, shown = self.waiting
        is_as_shown = all(shown[n] == self.oracle.amounts[n] for n in months)
        if is_as_shown:
            decide(self.money, id_)
            self.oracle.approved(id_, months, more)
            self.raised += 1
        else:
            with pytest.raises(SubjectMoved):
                decide(self.money, id_)
            self.refused += 1
            self.answer(id_, months, more)
            return
        self.waiting = None

    def answer(self, id_: int, months: range, more: Decimal) -> None:
        """The requester asks for the same change to what there is, where there still is something to ask for."""
        is_onwards = months.stop == ROUNDS
        if not is_onwards and self.at not in months:
            with pytest.raises(GovernanceError):
                ask_again(self.money, id_)
            decide(self.money, id_, Verdict.REJECT)
            self.waiting = None
            return
        ask_again(self.money, id_)
        months = self.oracle.months(self.at, "onwards" if is_onwards else "period")
        self.waiting = (id_, months, more, self.oracle.amounts.copy())

    def lapse(self) -> None:
        if self.oracle.standing:
            id_ = self.chance.choice(sorted(self.oracle.standing))
            lapse(self.money, id_)
            self.oracle.lapsed(id_)


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_months_have_what_was_asked_for_them(
    money: Money, length: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each raise adds to each month exactly what its card showed, each lapse takes off exactly that, and nothing that
    was decided sets a month to what nobody asked for."""
    monkeypatch.setattr(asking, "POLICY", f"{asking.POLICY}    expires_after: 365d\n")
    walk = Walk(money, random.Random(seed * 10 + length), Oracle(length))
    money.budget(period=walk.period)
    walk.money.now = datetime(2026, 1, 5, 9, tzinfo=UTC)
    for _ in range(30):
        walk.step()
    assert walk.raised
    assert walk.refused
    with money.db.read() as session:
        assert Look().all(session, money.now).compared.faults == ()
