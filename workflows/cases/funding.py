"""The fund line: which set of projects is worth most for the money and the people there are. Pure.

The 0/1 knapsack problem with several resources and side constraints, which is how capital budgeting chooses among projects
when money is rationed (Lorie and Savage 1955; Weingartner 1963; Kellerer, Pferschy and Pisinger, "Knapsack Problems", 2004):

    maximise    Σ value[i] · x[i]                       x[i] is 1 where project i is funded, else 0
    such that   Σ cost[i] · x[i]   ≤ money
                Σ people[i] · x[i] ≤ people
                x[i] = x[j]                             where i and j must go together
                Σ x[i] over a set  ≤ 1                  where at most one of the set may be funded
                x[i] = 1                                where i is running already

HiGHS solves it through `scipy.optimize.milp`, in floating point and with tolerances: with amounts up to 10^12 cents it can
overrun a limit by some cents, and miss the best by some. So its answer is checked in whole cents. What overruns a limit is
barred by a cover inequality (Balas 1975), and the rest is solved again. Then a search in whole cents goes through all that
the bound of the relaxation leaves open (Lagrangian bound, Geoffrion 1974): it settles the last cents and the ties, and
where there is too much to go through, the choice says how far it may be from the best.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from types import ModuleType

from workflows.errors import InvalidInput

SECONDS = 3.0
"""How long the solver may take, unless somebody says otherwise."""
NEXT_MONEY = 10_000_000
"""The next 100,000, in cents."""
ACCURACY = Decimal("0.000001")
"""A gap up to this counts as none: it is what the solver's own arithmetic is good for (HiGHS, `mip_feasibility_tolerance`)."""


# --- What is asked, and what is answered


class Estimate(StrEnum):
    """Which of a project's three values counts."""

    LOW = "low"
    LIKELY = "likely"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A project that could be funded, without its name.

    What it is worth (`low`, `likely`, `high`) and what it costs in whole cents, all candidates in one currency; worth can be
    negative, cost cannot. `people` is how many it needs, in tenths of a person. `is_running`: it goes on already, so its
    cost is committed and every choice has it. Raises ValueError for a negative cost or number of people.
    """

    id: int
    low: int
    likely: int
    high: int
    cost: int
    people: int = 0
    is_running: bool = False

    def __post_init__(self) -> None:
        if self.cost < 0 or self.people < 0:
            raise ValueError("a candidate takes no less than nothing")

    def get_value(self, estimate: Estimate) -> int:
        """What it is worth by that estimate, in cents."""
        match estimate:
            case Estimate.LOW:
                return self.low
            case Estimate.LIKELY:
                return self.likely
            case Estimate.HIGH:
                return self.high


@dataclass(frozen=True, slots=True)
class Problem:
    """What there is to choose from, and what it is limited by.

    `money` in cents of the candidates' currency and `people` in tenths of a person, what is running included; None is
    without limit. Of a set in `together` all or none are funded, of one in `exclusive` at most one; both hold ids. Raises
    ValueError for less than no money or people, and for an id that stands twice.
    """

    candidates: Sequence[Candidate]
    money: int | None
    people: int | None = None
    together: Sequence[frozenset[int]] = ()
    exclusive: Sequence[frozenset[int]] = ()

    def __post_init__(self) -> None:
        if (self.money or 0) < 0 or (self.people or 0) < 0:
            raise ValueError("there is no less than no money and nobody")
        if len({candidate.id for candidate in self.candidates}) < len(self.candidates):
            raise ValueError("each candidate stands once")


@dataclass(frozen=True, slots=True)
class Choice:
    """A set that can be funded, and how far it may be from the best one.

    `value` and `cost` in cents and `people` in tenths of a person are exact sums over `chosen`, what is running included;
    `value` is by `estimate`. No set is worth more than `bound`. `gap` is the share by which the choice may fall short of
    the best, of what that would bring beside what has to be in: 0.003 is "within 0.3 %".
    """

    chosen: frozenset[int]
    value: int
    cost: int
    people: int
    bound: int
    gap: Decimal
    estimate: Estimate

    @property
    def is_proved(self) -> bool:
        """Whether no other set is worth more: to the cent where `gap` is 0, else to a millionth."""
        return self.gap <= ACCURACY


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes from one choice to another, both by the same estimate."""

    before: Choice
    after: Choice

    @property
    def comes_in(self) -> tuple[int, ...]:
        """Ids that only the second choice has, in order."""
        return tuple(sorted(self.after.chosen - self.before.chosen))

    @property
    def goes_out(self) -> tuple[int, ...]:
        """Ids that only the first choice has, in order."""
        return tuple(sorted(self.before.chosen - self.after.chosen))

    @property
    def value(self) -> int:
        """How much more the second is worth, in cents; negative when less."""
        return self.after.value - self.before.value

    @property
    def cost(self) -> int:
        """How much more the second costs, in cents; negative when less."""
        return self.after.cost - self.before.cost

    @property
    def people(self) -> int:
        """How many more people the second needs, in tenths; negative when fewer."""
        return self.after.people - self.before.people

    @property
    def is_proved(self) -> bool:
        """Whether both are the best there is. Where they are not, part of the difference may be the solver's own."""
        return self.before.is_proved and self.after.is_proved


@dataclass(frozen=True, slots=True)
class RobustSet:
    """Which projects are funded whatever comes: the best sets if everything turns out low, as likely, and high.

    `always` are in all three, `never` in none, `depends` in one or two; ids in order.
    """

    low: Choice
    likely: Choice
    high: Choice
    always: tuple[int, ...]
    depends: tuple[int, ...]
    never: tuple[int, ...]

    @property
    def is_proved(self) -> bool:
        """Whether each of the three is the best there is."""
        return self.low.is_proved and self.likely.is_proved and self.high.is_proved


class CannotFund(InvalidInput):
    """Nothing that is allowed has all that has to be in.

    `candidates` are the ids at fault, in order, for a surface to name. `money` (cents) and `people` (tenths of a person)
    are what is missing; 0 where that is not the reason.
    """

    def __init__(
        self, sentence: str, candidates: Iterable[int], *, money: int = 0, people: int = 0
    ) -> None:
        super().__init__(sentence)
        self.candidates = tuple(sorted(candidates))
        self.money = money
        self.people = people


def choose(
    problem: Problem, seconds: float = SECONDS, *, estimate: Estimate = Estimate.LIKELY
) -> Choice:
    """The set that is worth most by `estimate`, for `seconds` of the solver and a fraction for checking its answer.

    What adds nothing is left out. Of sets that are worth the same, the one with the lowest ids is chosen (the lowest id in
    which two of them differ is in it); where the search in whole cents cannot finish, that holds for projects that are
    alike in everything but their ids. The order of candidates and rules never matters.

    Raises CannotFund when what is running takes more than there is, or rules contradict each other, and InvalidInput where
    SciPy is not installed.
    """
    return _choose(problem, seconds, estimate)


def difference(before: Choice, after: Choice) -> Difference:
    """What a what-if changes: which projects come in, which go out, and what that brings and costs."""
    return Difference(before, after)


def what_next(
    problem: Problem, choice: Choice, more_money: int = NEXT_MONEY, seconds: float = SECONDS
) -> Difference:
    """What `more_money` (cents) beside the problem's would buy, starting from `choice`, which `choose` gave for it.

    The value gained is never negative, and nothing is exchanged where nothing is gained. Without a limit of money there is
    nothing to gain. Raises what `choose` raises, and InvalidInput for an amount that is not above zero.
    """
    if more_money <= 0:
        raise InvalidInput("Name an amount above zero.", field="more_money")
    if problem.money is None:
        return Difference(choice, choice)
    richer = replace(problem, money=problem.money + more_money)
    after = _choose(richer, seconds, choice.estimate, known=choice.chosen)
    if after.value == choice.value:
        after = replace(choice, bound=after.bound, gap=after.gap)
    return Difference(choice, after)


def robust_set(problem: Problem, seconds: float = SECONDS) -> RobustSet:
    """Which projects are in under low and high estimates too, by three choices that share `seconds`.

    Raises what `choose` raises.
    """
    low, likely, high = (choose(problem, seconds / 3, estimate=estimate) for estimate in Estimate)
    every = {candidate.id for candidate in problem.candidates}
    always = low.chosen & likely.chosen & high.chosen
    never = every - low.chosen - likely.chosen - high.chosen
    return RobustSet(
        low,
        likely,
        high,
        tuple(sorted(always)),
        tuple(sorted(every - always - never)),
        tuple(sorted(never)),
    )


def pick_by_ratio(problem: Problem, estimate: Estimate = Estimate.LIKELY) -> frozenset[int]:
    """What a list sorted by value per cent of cost picks from the top, leaving out what does not fit any more.

    The solver starts from no worse than this. Raises CannotFund as `choose` does; needs no SciPy.
    """
    task = _prepare(problem, estimate)
    return _list_ids(task, _fill(task, frozenset()))


# --- What is left to decide


@dataclass(frozen=True, slots=True)
class _Bundle:
    """Candidates that go together, as one decision. `ids` are in order."""

    ids: tuple[int, ...]
    value: int
    cost: int
    people: int


@dataclass(frozen=True, slots=True)
class _Row:
    """A limit: the weights of what is picked, by position of a bundle, add up to `limit` at most."""

    weights: Mapping[int, int]
    limit: int

    def is_broken(self, picked: Iterable[int]) -> bool:
        return sum(self.weights.get(position, 0) for position in picked) > self.limit


@dataclass(frozen=True)
class _Task:
    """The bundles that are still open, each worth something and small enough, by their lowest ids; and their limits.

    A pick is a set of positions in `bundles`.
    """

    committed: _Bundle
    bundles: Sequence[_Bundle]
    rows: Sequence[_Row]

    @cached_property
    def columns(self) -> Sequence[Sequence[tuple[int, int]]]:
        """Each bundle's rows, by number, with its weight there."""
        columns: list[list[tuple[int, int]]] = [[] for _ in self.bundles]
        for number, row in enumerate(self.rows):
            for position, weight in row.weights.items():
                columns[position].append((number, weight))
        return columns

    @cached_property
    def by_ratio(self) -> Sequence[int]:
        """All positions, the most value per cent of cost first."""
        return sorted(range(len(self.bundles)), key=self._compare_ratio)

    def _compare_ratio(self, position: int) -> tuple[bool, Fraction, int]:
        bundle = self.bundles[position]
        return bundle.cost > 0, -Fraction(bundle.value, bundle.cost or 1), position

    @cached_property
    def alike(self) -> Sequence[Sequence[int]]:
        """Positions of bundles that only their ids tell apart, each kind in order."""
        kinds: dict[object, list[int]] = {}
        for position, bundle in enumerate(self.bundles):
            kinds.setdefault((bundle.value, *self.columns[position]), []).append(position)
        return list(kinds.values())

    def rank(self, picked: Iterable[int]) -> tuple[int, int]:
        """What orders picks: the value in cents, without what is committed, and of equal ones the lowest ids."""
        value = marks = 0
        for position in picked:
            value += self.bundles[position].value
            marks |= self.marks[position]
        return value, marks

    @cached_property
    def marks(self) -> Sequence[int]:
        """A bit for each id, the lowest id the highest: of two picks the one with the lowest id in which they differ is more."""
        ids = sorted(id_ for bundle in self.bundles for id_ in bundle.ids)
        bit = {id_: 1 << number for number, id_ in enumerate(reversed(ids))}
        return [sum(bit[id_] for id_ in bundle.ids) for bundle in self.bundles]


def _prepare(problem: Problem, estimate: Estimate) -> _Task:
    """Join what goes together, commit what is running, leave out what can never be chosen or adds nothing."""
    bundles = _bundle(problem, estimate)
    bundle_of = {id_: bundle for bundle in bundles for id_ in bundle.ids}
    running = {candidate.id for candidate in problem.candidates if candidate.is_running}
    must = {bundle_of[id_] for id_ in running}
    barred: set[_Bundle] = set()
    exclusive: list[frozenset[_Bundle]] = []
    for ids in sorted(set(problem.exclusive), key=sorted):
        members = _find_members(ids, bundle_of, must)
        if members & must:
            barred |= members - must
        else:
            exclusive.append(members)
    committed = _join(must)
    money = None if problem.money is None else problem.money - committed.cost
    people = None if problem.people is None else problem.people - committed.people
    _require_enough(money, people, committed, running)
    left = [
        bundle
        for bundle in bundles
        if bundle not in must | barred
        and bundle.value > 0
        and (money is None or bundle.cost <= money)
        and (people is None or bundle.people <= people)
    ]
    rows = [_make_row(left, 1, members.__contains__) for members in exclusive]
    if money is not None:
        rows.append(_make_row(left, money, lambda bundle: bundle.cost))
    if people is not None:
        rows.append(_make_row(left, people, lambda bundle: bundle.people))
    return _Task(committed, left, [row for row in rows if row.is_broken(row.weights)])


def _bundle(problem: Problem, estimate: Estimate) -> list[_Bundle]:
    """The candidates joined by the groups, through one another too, by their lowest ids."""
    parts = {
        candidate.id: _Bundle(
            (candidate.id,), candidate.get_value(estimate), candidate.cost, candidate.people
        )
        for candidate in problem.candidates
    }
    group_of = {id_: frozenset({id_}) for id_ in sorted(parts)}
    for ids in problem.together:
        _require_known(ids, parts)
        joined = frozenset[int]().union(*(group_of[id_] for id_ in ids))
        group_of |= dict.fromkeys(joined, joined)
    return [_join(parts[id_] for id_ in group) for group in dict.fromkeys(group_of.values())]


def _join(parts: Iterable[_Bundle]) -> _Bundle:
    joined = list(parts)
    return _Bundle(
        tuple(sorted(id_ for part in joined for id_ in part.ids)),
        sum(part.value for part in joined),
        sum(part.cost for part in joined),
        sum(part.people for part in joined),
    )


def _make_row(bundles: Sequence[_Bundle], limit: int, weigh: Callable[[_Bundle], int]) -> _Row:
    """A limit over bundles in the largest whole units that it can be counted in."""
    weights = {position: int(weigh(bundle)) for position, bundle in enumerate(bundles)}
    unit = math.gcd(*weights.values()) or 1
    return _Row(
        {position: weight // unit for position, weight in weights.items() if weight}, limit // unit
    )


def _find_members(
    ids: Collection[int], bundle_of: Mapping[int, _Bundle], must: Collection[_Bundle]
) -> frozenset[_Bundle]:
    """The bundles of a set that excludes each other; CannotFund where that cannot be."""
    _require_known(ids, bundle_of)
    members = frozenset(bundle_of[id_] for id_ in ids)
    if len(members) < len(ids):
        raise CannotFund(
            "Some of these projects have to go together and rule each other out. Take back one of the two.",
            ids,
        )
    if len(members.intersection(must)) > 1:
        raise CannotFund(
            "Projects that rule each other out are running, or go together with one that is. Stop one of them, or let them go side by side.",
            (id_ for id_ in ids if bundle_of[id_] in must),
        )
    return members


def _require_known(ids: Iterable[int], known: Collection[int]) -> None:
    if unknown := set(ids).difference(known):
        raise CannotFund(
            "A rule names a project that is not among those to choose from. Choose its projects again.",
            unknown,
        )


def _require_enough(
    money: int | None, people: int | None, committed: _Bundle, running: Collection[int]
) -> None:
    """Refuse where less than nothing is left beside what is committed."""
    no_money, no_people = max(0, -(money or 0)), max(0, -(people or 0))
    if not no_money and not no_people:
        return
    needs = " and ".join(
        word for word, missing in (("money", no_money), ("people", no_people)) if missing
    )
    rest = ", with what has to go with it," if len(committed.ids) > len(running) else ""
    raise CannotFund(
        f"What is running already{rest} takes more {needs} than planned. Plan with more, or stop something first.",
        committed.ids,
        money=no_money,
        people=no_people,
    )


# --- Solving it, and making the answer exact

_UNIT = 1 << 64
"""Multipliers and reduced values are whole numbers of this fraction of a cent."""
_BITS = 20
"""The solver is given coefficients of this many binary digits before the point: its tolerances are absolute."""
_STEPS = 200_000
"""Decisions that the search in whole cents may try: some tenths of a second."""
_DEPTH = 300
"""Bundles that it may have to decide on."""


def _choose(
    problem: Problem, seconds: float, estimate: Estimate, known: Collection[int] = ()
) -> Choice:
    """`choose`, worth no less than the set `known` where that can be funded."""
    task = _prepare(problem, estimate)
    start = {position for position, bundle in enumerate(task.bundles) if bundle.ids[0] in known}
    relaxation = _relax(task)
    picks, bound = _solve(task, seconds)
    picks += [_fill(task, frozenset()), _fill(task, start)]
    best = max((_prefer_low_ids(task, picked) for picked in picks), key=task.rank)
    bound = min(bound, relaxation.bound)
    if (settled := _settle(task, relaxation, best)) is not None:
        best, (bound, _) = settled, task.rank(settled)
    return _describe(problem, task, best, bound, estimate)


def _describe(
    problem: Problem, task: _Task, picked: Collection[int], bound: int, estimate: Estimate
) -> Choice:
    chosen = _list_ids(task, picked)
    funded = [candidate for candidate in problem.candidates if candidate.id in chosen]
    value, _ = task.rank(picked)
    gap = Decimal(0)
    if bound > value:
        gap = (Decimal(bound - value) / bound).quantize(Decimal("1E-9"), ROUND_CEILING)
    return Choice(
        chosen,
        sum(candidate.get_value(estimate) for candidate in funded),
        sum(candidate.cost for candidate in funded),
        sum(candidate.people for candidate in funded),
        task.committed.value + max(bound, value),
        gap,
        estimate,
    )


def _list_ids(task: _Task, picked: Iterable[int]) -> frozenset[int]:
    ids = (task.bundles[position].ids for position in picked)
    return frozenset(task.committed.ids).union(*ids)


def _fill(task: _Task, first: Collection[int]) -> frozenset[int]:
    """Those of `first` that fit, then the others that still do, each by value per cent of cost."""
    left = [row.limit for row in task.rows]
    picked = set()
    for position in sorted(task.by_ratio, key=lambda position: position not in first):
        column = task.columns[position]
        if all(weight <= left[number] for number, weight in column):
            picked.add(position)
            for number, weight in column:
                left[number] -= weight
    return frozenset(picked)


def _prefer_low_ids(task: _Task, picked: Collection[int]) -> frozenset[int]:
    """As many of each kind, the ones with the lowest ids."""
    return frozenset(
        position
        for positions in task.alike
        for position in positions[: sum(position in picked for position in positions)]
    )


@dataclass(frozen=True, slots=True)
class _Relaxation:
    """A bound that holds in whole numbers, and what each bundle means for it. All in `_UNIT`s of a cent.

    With a multiplier λ ≥ 0 for each row, no pick is worth more than `total` = Σ λ·limit + Σ max(0, reduced), where a
    bundle's reduced value is its value less Σ λ·weight (Geoffrion 1974). A pick is worth less than that by the reduced
    value of each bundle that it leaves out though positive, or has though negative, and by λ times what each row has left.
    """

    total: int
    reduced: Sequence[int]

    @property
    def bound(self) -> int:
        """In cents."""
        return self.total // _UNIT


def _relax(task: _Task) -> _Relaxation:
    """The bound that the problem with fractions has. It holds with any multipliers; the solver's make it tight."""
    multipliers = _find_multipliers(task)
    reduced = [
        bundle.value * _UNIT - sum(multipliers[number] * weight for number, weight in column)
        for bundle, column in zip(task.bundles, task.columns, strict=True)
    ]
    limits = sum(
        multiplier * row.limit for multiplier, row in zip(multipliers, task.rows, strict=True)
    )
    return _Relaxation(limits + sum(value for value in reduced if value > 0), reduced)


def _find_multipliers(task: _Task) -> list[int]:
    """What one more of each row's limit is worth, in `_UNIT`s of a cent."""
    optimize, sparse = _load_scipy()
    if not task.rows:
        return []
    model = _Model.make(task, task.rows, sparse)
    answer = optimize.linprog(
        model.values, A_ub=model.matrix, b_ub=model.limits, bounds=(0, 1), method="highs"
    )
    if answer.x is None:
        return [0] * len(task.rows)
    return [
        max(0, round(-Fraction(float(marginal)) * model.unit * _UNIT / unit))
        for marginal, unit in zip(answer.ineqlin.marginals, model.row_units, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Model:
    """The task as the solver takes it, which minimises: floats of a size for which its tolerances are small."""

    values: Sequence[float]
    matrix: object
    limits: Sequence[float]
    unit: int
    row_units: Sequence[int]

    @classmethod
    def make(cls, task: _Task, rows: Sequence[_Row], sparse: ModuleType) -> "_Model":
        """Take it in larger units: values in what divides them all, and both in powers of two, which loses nothing."""
        values = [bundle.value for bundle in task.bundles]
        unit = math.gcd(*values)
        unit <<= max(0, (max(values) // unit).bit_length() - _BITS)
        row_units = [1 << max(0, max(row.weights.values()).bit_length() - _BITS) for row in rows]
        entries = [
            (weight / row_unit, number, position)
            for number, (row, row_unit) in enumerate(zip(rows, row_units, strict=True))
            for position, weight in row.weights.items()
        ]
        numbers, at_rows, at_columns = zip(*entries, strict=True)
        # No csr_array: before SciPy 1.15 its indices have 64 bits, which the solver does not take.
        matrix = sparse.csr_matrix((numbers, (at_rows, at_columns)), shape=(len(rows), len(values)))
        limits = [row.limit / row_unit for row, row_unit in zip(rows, row_units, strict=True)]
        return cls([-value / unit for value in values], matrix, limits, unit, row_units)


def _solve(task: _Task, seconds: float) -> tuple[list[frozenset[int]], int]:
    """Picks that keep every limit, the best somewhere among them, and what no pick is worth more than, in cents.

    What the solver calls possible is within its tolerance of a limit. Where a limit is overrun by a hair in whole cents, a
    minimal part of the pick that does so is barred, together with all that weighs as much (an extended cover inequality,
    Balas 1975), and it is solved again.
    """
    optimize, sparse = _load_scipy()
    until = time.monotonic() + seconds
    bound = sum(bundle.value for bundle in task.bundles)
    picks: list[frozenset[int]] = []
    rows = list(task.rows)
    while rows and (left := until - time.monotonic()) > 0:
        model = _Model.make(task, rows, sparse)
        answer = optimize.milp(
            model.values,
            integrality=1,
            bounds=optimize.Bounds(0, 1),
            constraints=optimize.LinearConstraint(model.matrix, ub=model.limits),
            options={"time_limit": left, "mip_rel_gap": 0},
        )
        if answer.mip_dual_bound is not None and math.isfinite(answer.mip_dual_bound):
            doubt = 1 + float(ACCURACY) / 2
            bound = min(bound, math.floor(-answer.mip_dual_bound * model.unit * doubt))
        if answer.x is None:
            break
        picked = {position for position, share in enumerate(answer.x) if share > 0.5}
        picks.append(_fill(task, picked))
        broken = next((row for row in task.rows if row.is_broken(picked)), None)
        if broken is None:
            break
        rows.append(_bar(broken, picked))
    return picks, bound


def _bar(row: _Row, picked: Iterable[int]) -> _Row:
    """The inequality that a pick breaks which is too much for a row: fewer of its largest, or of what is no smaller."""
    largest = sorted(picked, key=lambda position: (-row.weights.get(position, 0), position))
    most = row.weights[largest[0]]
    total = count = 0
    while total <= row.limit:
        total += row.weights[largest[count]]
        count += 1
    no_smaller = (position for position, weight in row.weights.items() if weight >= most)
    return _Row(dict.fromkeys(sorted({*largest[:count], *no_smaller}), 1), count - 1)


def _settle(task: _Task, relaxation: _Relaxation, best: frozenset[int]) -> frozenset[int] | None:
    """The best pick of all, proved in whole cents, starting from a good one; None where that takes too long."""
    spare = relaxation.total - task.rank(best)[0] * _UNIT
    unclear = [
        position for position, reduced in enumerate(relaxation.reduced) if abs(reduced) <= spare
    ]
    if len(unclear) > _DEPTH:
        return None
    unclear.sort(key=lambda position: (-abs(relaxation.reduced[position]), position))
    search = _Search(task, relaxation, unclear, best)
    return search.best if search.run() else None


class _Search:
    """All picks that can be as good as the best one known, by what each decision loses against the bound.

    Decisions that lose more than there is between the bound and the best are certain. The others are tried, those that lose
    most first, and each as the relaxation would have it first.
    """

    def __init__(
        self, task: _Task, relaxation: _Relaxation, unclear: Sequence[int], best: frozenset[int]
    ) -> None:
        self.best = best
        self._task = task
        self._total = relaxation.total
        self._reduced = relaxation.reduced
        self._unclear = unclear
        self._rank = task.rank(best)
        self._picked: set[int] = set()
        self._left = [row.limit for row in task.rows]
        for position in set(range(len(task.bundles))).difference(unclear):
            if relaxation.reduced[position] > 0:
                self._put_in(position)
        # Of bundles that are alike, none is tried without the one before it.
        self._before = {
            later: earlier for positions in task.alike for earlier, later in pairwise(positions)
        }
        self._steps = 0

    def run(self) -> bool:
        """Whether it got to the end."""
        return self._try(0, 0, *self._task.rank(self._picked))

    def _try(self, depth: int, loss: int, value: int, marks: int) -> bool:
        self._steps += 1
        if self._steps > _STEPS:
            return False
        if depth == len(self._unclear):
            if (value, marks) > self._rank:
                self._rank = value, marks
                self.best = frozenset(self._picked)
            return True
        position = self._unclear[depth]
        reduced = self._reduced[position]
        for is_in in (reduced > 0, reduced <= 0):
            after = loss + max(0, -reduced if is_in else reduced)
            if after > self._total - self._rank[0] * _UNIT:
                continue
            if not is_in:
                is_through = self._try(depth + 1, after, value, marks)
            elif self._has_room(position):
                self._put_in(position)
                bundle_value = self._task.bundles[position].value
                is_through = self._try(
                    depth + 1, after, value + bundle_value, marks | self._task.marks[position]
                )
                self._take_out(position)
            else:
                continue
            if not is_through:
                return False
        return True

    def _has_room(self, position: int) -> bool:
        before = self._before.get(position)
        return (before is None or before in self._picked) and all(
            weight <= self._left[number] for number, weight in self._task.columns[position]
        )

    def _put_in(self, position: int) -> None:
        self._picked.add(position)
        for number, weight in self._task.columns[position]:
            self._left[number] -= weight

    def _take_out(self, position: int) -> None:
        self._picked.remove(position)
        for number, weight in self._task.columns[position]:
            self._left[number] += weight


def _load_scipy() -> tuple[ModuleType, ModuleType]:
    """scipy.optimize and scipy.sparse, which take a quarter of a second to load and come with an extra."""
    try:
        from scipy import optimize, sparse
    except ModuleNotFoundError:
        raise InvalidInput(
            "The best set can't be worked out here, because SciPy is not installed: `pip install 'mlgov[optimise]'` brings it."
        ) from None
    return optimize, sparse
