"""What policy files are written in: durations, names of people and groups, and the strict sections that hold them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from string import Template
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from storage.enums import CostBasis, SeenBy
from workflows.wording import parse_duration

_APPROVER = re.compile(
    r"^(?:[UW][A-Z0-9]{2,}|(?:oncall:)?(?:S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*)|role:[a-z][a-z0-9_]*"
    r"|subject\.(?:owner|sponsor|manager|developer|validator)|requester\.manager)$"
)
_MEMBER = re.compile(r"^(?:[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*)$")


def _approver(value: object) -> object:
    if not isinstance(value, str) or not _APPROVER.match(value):
        raise ValueError(
            f"{value!r} names no approver; write an id (U…, W…, S…), @group, oncall:@group, role:name, "
            "subject.owner, subject.sponsor, subject.manager, subject.developer, subject.validator or requester.manager"
        )
    return value


def _member(value: object) -> object:
    if not isinstance(value, str) or not _MEMBER.match(value):
        raise ValueError(f"{value!r} names nobody; write an id (U…, W…, S…) or @group")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Approver = Annotated[str, BeforeValidator(_approver)]
Member = Annotated[str, BeforeValidator(_member)]
SPONSOR = "subject.sponsor"
"""The word for a project's sponsor."""


class Section(BaseModel):
    """A part of the file: an unknown key is a fault, and nothing changes it once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- Which cost counts, whose it is, and when a budget speaks up


class Allocation(Section):
    """A rule that says whose cost a row is: by sub-account (id or name) or by one tag."""

    project: str = Field(min_length=1)
    sub_account: str | None = None
    tag: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> "Allocation":
        if self.sub_account is None and not self.tag:
            raise ValueError("a rule needs sub_account or tag, else it would claim every row")
        if self.tag is not None and len(self.tag) != 1:
            raise ValueError("a rule matches one tag; write two rules for two tags")
        return self


class Costs(Section):
    """Which cost counts, and whose it is."""

    basis: CostBasis = CostBasis.EFFECTIVE
    allocate: tuple[Allocation, ...] = ()

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """The tag keys that decide whose cost a row is, folded; `project` always does."""
        keys = {"project"} | {
            key.strip().casefold() for rule in self.allocate for key in rule.tag or ()
        }
        return tuple(sorted(keys))


class Budgets(Section):
    """When a budget speaks up."""

    thresholds: tuple[int, ...] = (50, 80, 100)

    @field_validator("thresholds")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(not 1 <= item <= 1000 for item in value):
            raise ValueError(
                "thresholds are whole per cents between 1 and 1000, like [50, 80, 100]"
            )
        return tuple(sorted(set(value)))


# --- Who gets which digest, when, and who answers for it

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AT = re.compile(r"^(mon|tue|wed|thu|fri|sat|sun) (\d{2}:\d{2})$")
_READER = re.compile(
    r"^(?:[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*|role:[a-z][a-z0-9_]*)$"
)


@dataclass(frozen=True, slots=True)
class WeeklyTime:
    """A weekday (0 is Monday) and a wall time, in each reader's own zone."""

    weekday: int
    wall: time

    @property
    def words(self) -> str:
        """`Mon 09:00`."""
        return f"{_DAYS[self.weekday].title()} {self.wall:%H:%M}"


def parse_weekly(value: object) -> object:
    """`Mon 09:00` as WeeklyTime; ValueError for anything else."""
    if isinstance(value, WeeklyTime):
        return value
    match = _AT.match(value.casefold()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a weekly time is written like Mon 09:00")
    try:
        return WeeklyTime(_DAYS.index(match[1]), time.fromisoformat(match[2]))
    except ValueError:
        raise ValueError(f"{value!r} has no such time of day") from None


def _reader(value: object) -> object:
    if not isinstance(value, str) or not _READER.match(value):
        raise ValueError(f"{value!r} names nobody; write role:name, @group or an id (U…, W…, S…)")
    return value


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Reader = Annotated[str, BeforeValidator(_reader)]


class Digest(Section):
    """One kind of digest: its readers, each told at their own local time over what they may see, and its owner."""

    audience: Annotated[tuple[Reader, ...], BeforeValidator(_several)] = Field(
        default=("role:leader",), min_length=1, max_length=20
    )
    at: Annotated[WeeklyTime, BeforeValidator(parse_weekly)] = Field(
        default=WeeklyTime(0, time(9)), json_schema_extra={"type": "string"}
    )
    owner: Reader = "role:admin"
    """Who sends the first one to a new audience, and hears when one cannot be built or was missed."""


class Digests(Section):
    """The digests that are sent; one that is not named here is not."""

    weekly: Digest | None = None

    @property
    def named(self) -> dict[str, Digest]:
        """Every digest that the policy sends, by its kind."""
        return {} if self.weekly is None else {"weekly": self.weekly}


# --- When teams are asked how mature they are, who is asked, and who may see what they said

Every = Literal["quarterly", "half_yearly", "yearly", "off"]

MONTHS_APART = {"quarterly": 3, "half_yearly": 6, "yearly": 12}

FEWEST = 5
"""No figure is ever told of fewer people; a policy may only ask for more."""

_INVITED = re.compile(
    r"^(?:persona:.{1,80}|role:[a-z][a-z0-9_]*|[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*)$"
)


def _invited(value: object) -> object:
    if not isinstance(value, str) or not _INVITED.match(value):
        raise ValueError(
            f"{value!r} invites nobody; write persona:NAME, role:NAME, @group or an id (U…, W…, S…)"
        )
    return value


def _cycle(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


Invited = Annotated[str, BeforeValidator(_invited)]


class Maturity(Section):
    """How often a check-in opens, whom it asks, and what is shown to whom."""

    cycle: Annotated[Every, BeforeValidator(_cycle)] = "quarterly"
    """The schedule opens one on the first working day of the period; leaders can start others."""
    lasts: Duration = timedelta(days=21)
    leaders: tuple[Invited, ...] = ("persona:executive", "persona:leader")
    practitioners: tuple[Invited, ...] = (
        "persona:data scientist",
        "persona:citizen data scientist",
        "persona:ml engineer",
        "persona:machine learning engineer",
        "persona:data engineer",
        "persona:software engineer",
        "persona:business analyst",
        "persona:it operations",
        "persona:product manager",
        "persona:project manager",
    )
    minimum_group: int = Field(default=FEWEST, ge=FEWEST, le=100)
    answers_seen_by: SeenBy = SeenBy.NOBODY
    """`assessor` and `assessor_by_name` let people of role `assessor` see single answers, without or with names."""
    channel: str | None = None
    """Where the result is told; `channels.governance` when this is left out."""
    rubric: str | None = None
    """A rubric file of one's own, beside this file or by its full path."""

    @field_validator("lasts")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(days=3) <= value <= timedelta(days=60):
            raise ValueError("a check-in is open for 3d to 60d")
        return value


# --- When milestones are reminded of, who is told, and who decides that one moves

Told = Literal["owner", "manager", "sponsor"]


class Milestones(Section):
    """Reminders before, on and after the day, and the gate at which a new date is asked for."""

    remind_before: tuple[Duration, ...] = Field(
        default=(timedelta(days=14), timedelta(days=7), timedelta(days=1), timedelta(0)),
        max_length=12,
    )
    overdue_every: Duration = timedelta(days=7)
    tell: tuple[Told, ...] = Field(default=("owner", "manager", "sponsor"), min_length=1)
    """Who hears of it: the first before and on the day, one more with each reminder while it is overdue."""
    reschedule: Literal["milestone_reschedule"] | None = None
    """The gate that decides a later date; none means that whoever answers for the milestone moves it."""

    @field_validator("remind_before")
    @classmethod
    def _days_before(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if any(item % timedelta(days=1) or item.days > 366 for item in value):
            raise ValueError("reminders come whole days before, at most 366: 14d or 2w")
        return tuple(sorted(set(value), reverse=True))

    @field_validator("overdue_every")
    @classmethod
    def _days_after(cls, value: timedelta) -> timedelta:
        if value % timedelta(days=1) or not 1 <= value.days <= 366:
            raise ValueError("what is overdue is said again after whole days, 1 to 366: 7d")
        return value

    @field_validator("tell")
    @classmethod
    def _each_once(cls, value: tuple[Told, ...]) -> tuple[Told, ...]:
        return tuple(dict.fromkeys(value))

    @property
    def days_before(self) -> tuple[int, ...]:
        """The reminders before and on the day, as days before it, the earliest first."""
        return tuple(item.days for item in self.remind_before)


# --- Who is governed, in which calendar, and where the bot speaks to those who govern

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
Month = Literal[
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip


Rollout = Literal["me", "pilot", "all"]
"""Who is ever messaged unasked: administrators only, the people of role `pilot` too, or everyone."""


_HOURS = re.compile(
    r"^(mon|tue|wed|thu|fri|sat|sun)-(mon|tue|wed|thu|fri|sat|sun) (\d{2}:\d{2})-(\d{2}:\d{2})$"
)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The working days of a week (0 is Monday) and the wall times between which people are at work."""

    weekdays: frozenset[int]
    opens: time
    closes: time


def parse_hours(value: object) -> object:
    """`Mon-Fri 09:00-17:30` as WorkingHours; ValueError for anything else. A week may wrap: `Sun-Thu 08:00-16:00`."""
    if isinstance(value, WorkingHours):
        return value
    match = _HOURS.match(value.casefold()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("working hours are written like Mon-Fri 09:00-17:30")
    first, last = _DAYS.index(match[1]), _DAYS.index(match[2])
    length = (last - first) % 7 + 1
    try:
        opens, closes = time.fromisoformat(match[3]), time.fromisoformat(match[4])
    except ValueError:
        raise ValueError(f"{value!r} has no such time of day") from None
    if opens >= closes:
        raise ValueError("work must end after it starts, on the same day")
    return WorkingHours(frozenset((first + step) % 7 for step in range(length)), opens, closes)


class Organisation(Section):
    """Who is governed, and the calendar that holds where a person has none of their own."""

    name: str = Field(min_length=1, max_length=80)
    timezone: str = "UTC"
    fiscal_year_starts: Month = "january"
    working_hours: Annotated[WorkingHours, BeforeValidator(parse_hours)] = Field(
        default=WorkingHours(frozenset(range(5)), time(9), time(17, 30)),
        json_schema_extra={"type": "string"},
    )
    country: str | None = None
    """Whose public holidays hold for people whose country is unknown: an ISO code like GB."""
    days_off: tuple[date, ...] = ()
    """Days on which nobody of the organisation is at work, beside public holidays."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone; write one like Europe/London")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's own time zone."""
        return ZoneInfo(self.timezone)

    @property
    def fiscal_month(self) -> int:
        """The month (1 to 12) in which a fiscal year starts."""
        return MONTHS.index(self.fiscal_year_starts) + 1


class Channels(Section):
    """Where the bot speaks to those who govern: names with # or Slack ids."""

    governance: str | None = None
    audit: str | None = None
    admin: str | None = None


class People(Section):
    """How people whom files name are found in Slack."""

    link_by_email: bool = True
    """Whether a reading of Slack joins whom an import named by address with the one active full member who has it;
    else that is left to the next import."""


# --- Where mlgov itself reads what is watched in use

PLACES = {"model", "version", "metric"}
"""What a query may name: the model's key, the version and the measure as the monitoring plan calls it."""


def _template(query: str) -> str:
    template = Template(query)
    if not template.is_valid():
        raise ValueError("a `$` of PromQL itself is written `$$`")
    strange = sorted(set(template.get_identifiers()) - PLACES)
    if strange:
        raise ValueError(f"${strange[0]} is not known; there are $model, $version and $metric")
    return query


Query = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_template)]
Measure = Annotated[str, Field(min_length=1, max_length=60)]
Queries = dict[Measure, Query]
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]


class Readings(Section):
    """Which measures of monitoring plans are read from Prometheus, how often, and by which PromQL."""

    every: Duration = timedelta(days=1)
    prometheus: Queries = Field(default={}, max_length=200)
    """Measure → the query that gives its value for `$model` and `$version`, as one number."""
    models: dict[Key, Queries] = Field(default={}, max_length=1000)
    """For a model by its key: queries of its own, which go first."""

    @field_validator("every")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=31):
            raise ValueError("a time from 1m to 31d")
        return value

    def query(self, model: str, version: str, metric: str) -> str | None:
        """The PromQL for a measure of a version; None for one that is not read here."""
        for queries in (self.models.get(model, {}), self.prometheus):
            for name, query in queries.items():
                if name.casefold() == metric.casefold():
                    # None of the three can hold a quotation mark or a backslash, so none ends a string of PromQL.
                    return Template(query).substitute(model=model, version=version, metric=metric)
        return None


# --- The model registry that follows, and that is watched


class RegistryRules(Section):
    """How the registry is read, and what may be written into it."""

    poll: Duration = timedelta(minutes=5)
    """How often it is read whole; webhooks bring a look forward."""
    alias: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = "champion"
    """The alias by which teams load what is in use: mlgov sets it, and watches it."""
    restore_alias: bool = False
    """Put the alias back to the version in use when somebody moved it to one that nobody approved."""
    verify: Duration = timedelta(days=1)
    """How often the contents of what is approved or in use are read and compared again."""
    writes_per_hour: int = Field(default=60, ge=1, le=10_000)
    storm: int = Field(default=5, ge=1, le=10_000)
    """More aliases than this, moved at one time to what nobody approved, are one alarm, and stop all writing."""


# --- What business cases are worth, and when a new estimate is decided anew


class Material(Section):
    """From which change on a new estimate of an approved case has to be approved."""

    cost_percent: int = Field(default=10, ge=1, le=1000)
    """Costs that are this much higher, or more."""
    benefit_percent: int = Field(default=20, ge=1, le=100)
    """Benefits that are this much lower, or more."""
    months: int = Field(default=3, ge=1, le=120)
    """An end that is this much later, or more."""


class Returns(Section):
    """When owners are asked what came of projects that are in use."""

    first_after: Duration = timedelta(days=90)
    """Counted from the day on which a project was first in use."""
    every: Duration = timedelta(days=90)
    silent_after: Duration = timedelta(days=180)
    """Nothing measured for so long: the owner is asked about that."""
    sponsor_after: Duration = timedelta(days=14)
    """Still nothing so long after that: the sponsor is shown it."""

    @field_validator("*")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(days=1) <= value <= timedelta(days=1500):
            raise ValueError("a time from 1d to 1500d")
        return value


class Cases(Section):
    """How business cases are estimated and compared."""

    discount_rate: Decimal = Field(default=Decimal("0.08"), ge=0, le=1)
    """A year; 0.08 is 8 %. Amounts of later months count for less by it."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    """In which new cases start."""
    months: int = Field(default=36, ge=1, le=120)
    """Over how many months new cases start."""
    material: Material = Material()
    returns: Returns = Returns()
    attest: tuple[Approver, ...] | None = Field(default=None, min_length=1, max_length=20)
    """Who attests what came of a project: ids, groups, roles, and `subject.sponsor`, which means whoever the sponsor
    reports to as well. None: the sponsor's side and the role `finance`, where there is one. Never a project's owner or
    manager, and never who reported the figure or wrote the case."""

    @field_validator("attest")
    @classmethod
    def _are_known(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for word in value or ():
            is_other = word.startswith(("subject.", "requester.", "oncall:"))
            if is_other and word != SPONSOR:
                raise ValueError(
                    f"{word!r} can't attest a return; write ids, groups, roles or {SPONSOR}"
                )
        return value


# --- How long what mlgov signs holds


class Statements(Section):
    """Signed statements about approvals."""

    valid_for: Duration = timedelta(hours=24)
    """Counted from the decision."""
    keys: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")], ...] = ()
    """Fingerprints of the keys that count, as `mlgov keys list` prints them: retired ones too, for as long as what they
    signed is met. None is every key that the ledger knows of."""

    @field_validator("valid_for")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= timedelta(days=90):
            raise ValueError("a statement holds between 5m and 90d")
        return value


# --- Who moves models through their life, how often they are looked at again, and which
#     evidence each step asks for

Step = Literal["validation", "approval", "implementation", "retirement"]
"""What evidence comes before: being validated, approved, implemented or retired."""
Tier = Annotated[int, Field(ge=1, le=3)]
EvidenceType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


ReviewTrigger = Literal["breach", "silent", "contents", "alias"]
"""A reading beyond the plan, one that did not come, other contents than approved, the alias at what nobody approved."""
Weight = Literal["low", "medium", "high", "critical"]

_REVIEW: dict[int, timedelta] = {
    1: timedelta(days=180),
    2: timedelta(days=365),
    3: timedelta(days=730),
}
_FINDING_DUE: dict[Weight, timedelta] = {
    "low": timedelta(days=90),
    "medium": timedelta(days=60),
    "high": timedelta(days=30),
    "critical": timedelta(days=7),
}


class Inventory(Section):
    """The parts that people have in a model's life beside its owner, and when models are reviewed."""

    model_risk: tuple[Approver, ...] = Field(default=("role:model_risk",), min_length=1)
    """Who may override a tier, say that something is not a model, resume what was suspended, and accept a finding."""
    operations: tuple[Approver, ...] = Field(default=("role:operations",), min_length=1)
    """Who implements what was approved and takes it into use, beside the model's owner."""
    review: dict[Tier, Duration] = Field(default=_REVIEW)
    """How long after it was taken into use, or reviewed, a model is reviewed again; by tier."""
    review_on: tuple[ReviewTrigger, ...] = ("breach", "contents")
    """Which new findings about what is used ask for a review at once, before its day."""
    review_grace: Duration = timedelta(days=14)
    """After which time a review that nobody did is told to model risk as well, again and again."""
    finding_due: dict[Weight, Duration] = Field(default=_FINDING_DUE)
    """Until when a finding has to be mended, by severity."""
    accept_at_most: Duration = timedelta(days=180)
    """The longest time for which a finding can be accepted."""

    @field_validator("review", mode="after")
    @classmethod
    def _every_tier(cls, value: dict[int, timedelta]) -> dict[int, timedelta]:
        return {**_REVIEW, **_sensible(value)}

    @field_validator("finding_due", mode="after")
    @classmethod
    def _every_severity(cls, value: dict[Weight, timedelta]) -> dict[Weight, timedelta]:
        return {**_FINDING_DUE, **_sensible(value)}


K = TypeVar("K")


def _sensible(value: dict[K, timedelta]) -> dict[K, timedelta]:
    for span in value.values():
        if not timedelta(days=1) <= span <= timedelta(days=3660):
            raise ValueError("a time from 1d to 3660d")
    return value


class Required(Section):
    """Before which step a type of evidence has to be there, for which tiers, and for how long it is good."""

    before: Step
    tiers: tuple[Tier, ...] = (1, 2, 3)
    people: bool = False
    """Also at every other tier, where the model's output bears on people."""
    valid_for: Duration | None = None
    name: str | None = Field(default=None, min_length=2, max_length=60)


_ALL, _TWO, _ONE = (1, 2, 3), (1, 2), (1,)
DEFAULT: Mapping[str, Required] = MappingProxyType(
    {
        "model_card": Required(before="validation", tiers=_ALL),
        "datasheet": Required(before="validation", tiers=_TWO),
        "data_lineage_and_quality": Required(before="validation", tiers=_ALL),
        "performance_report": Required(before="validation", tiers=_ALL),
        "fairness_report": Required(before="approval", tiers=_TWO, people=True),
        "explainability_report": Required(before="approval", tiers=_TWO),
        "robustness_test": Required(before="approval", tiers=_ONE),
        "security_assessment": Required(before="approval", tiers=_TWO),
        "privacy_impact_assessment": Required(before="approval", tiers=_ONE),
        "impact_assessment": Required(before="approval", tiers=_ONE),
        "validation_report": Required(before="approval", tiers=_ALL),
        "monitoring_plan": Required(before="implementation", tiers=_ALL),
        "human_oversight_plan": Required(before="implementation", tiers=_TWO),
        "rollback_plan": Required(before="implementation", tiers=_TWO),
        "deployment_runbook": Required(before="implementation", tiers=_TWO),
        "cost_estimate": Required(before="implementation", tiers=_ALL),
        "decommission_plan": Required(before="retirement", tiers=_ALL),
    }
)
"""What is asked where the policy says nothing else."""


class FairnessRules(Section):
    """When a comparison of groups can be told, and when it is flagged."""

    least: int = Field(default=30, ge=2, le=100_000)
    """People that a group needs to be judged; smaller ones are named, not judged."""
    ratio: Decimal = Field(default=Decimal("0.8"), gt=0, le=1)
    """The lowest selection rate, of the highest, under which the validator has to say something: four fifths."""
    rows_in_slack: bool = False
    """Whether mlgov counts files with rows of people that are handed in through Slack, where the file itself stays."""


class EvidenceRules(Section):
    """Types of evidence by name: what differs from the defaults, and types of one's own. `tiers: []` asks for none."""

    types: dict[EvidenceType, Required] = Field(default={}, max_length=40)
    waive_at_most: Duration = timedelta(days=180)
    """The longest time for which evidence can be waived."""
    fairness: FairnessRules = FairnessRules()

    @property
    def all_types(self) -> Mapping[str, Required]:
        """Every type that there is, with where it is asked for."""
        return {**DEFAULT, **self.types}

    def required(self, step: Step, tier: int, *, affects_people: bool) -> tuple[str, ...]:
        """The types that a version of this tier needs before a step."""
        return tuple(
            name
            for name, rule in self.all_types.items()
            if rule.before == step and (tier in rule.tiers or (rule.people and affects_people))
        )

    def words(self, name: str) -> str:
        """How people read a type: `fairness report`."""
        rule = self.all_types.get(name)
        return (rule.name if rule else None) or name.replace("_", " ")
