"""What people and files hand in about business cases, a form for each step."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from storage.enums import Driver, ProjectCategory, ProjectStatus
from workflows.cases import amounts
from workflows.cases.amounts import MOST_MONTHS
from workflows.inputs import Input
from workflows.sources.tables import plausible_day, read_number
from workflows.sources.text import NAME, storable

_CURRENCY = re.compile(r"^[A-Z]{3}$")
MOST_LINES = 30
"""Benefits and costs of one case."""
MOST_WORDS = 2000


def _title(value: object) -> object:
    text = storable(str(value or ""), 10_000)
    if not text:
        raise ValueError("say in a few words what you propose")
    if len(text) > NAME:
        raise ValueError(f"a title has at most {NAME} characters; this has {len(text)}")
    return text


def _figure(value: object) -> object:
    return read_number(value.strip().rstrip("%").strip() if isinstance(value, str) else value)


def _share(value: object) -> object:
    return amounts.parse_share(value) if isinstance(value, str) else value


def _month(value: object) -> object:
    if isinstance(value, str):
        return amounts.parse_month(value.strip())
    return value.replace(day=1) if isinstance(value, date) else value


def _currency(value: object) -> object:
    text = str(value or "").strip().upper()
    if not _CURRENCY.match(text):
        raise ValueError("a currency is three letters, like EUR")
    return text


Title = Annotated[str, BeforeValidator(_title)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_WORDS)]
Figure = Annotated[Decimal, BeforeValidator(_figure)]
Share = Annotated[Decimal, BeforeValidator(_share), Field(ge=0, le=1)]
Currency = Annotated[str, BeforeValidator(_currency)]
Month = Annotated[date, BeforeValidator(_month)]
"""The first day of a month, of any day in it."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Propose(_Form):
    """Somebody has an idea."""

    title: Annotated[Title, Input("What do you propose?", most=NAME)]
    problem: Words = ""
    promise: str | None = None
    """`channel:ts` of the message with the idea."""
    request_key: str


class OnCase(_Form):
    """Something that is done about a case, on what was shown of it (`revision`)."""

    case_id: int = Field(ge=1, le=2**31 - 1)
    revision: int = Field(ge=1, le=2**31 - 1)


class Step(OnCase):
    """What one step asks for. Kept at once; what is wrong in it keeps nothing."""

    KEY: ClassVar[str]
    """As the record keeps it, and as people's links to it name it."""
    TITLE: ClassVar[str]

    @property
    def entered(self) -> dict[str, Any]:
        """What was entered, by field."""
        return self.model_dump(exclude={"case_id", "revision"})


class KeepIdea(Step):
    """What it is about."""

    KEY, TITLE = "idea", "The idea"

    title: Annotated[Title, Input("What do you propose?", most=NAME)]
    problem: Annotated[
        Words,
        Input(
            "What is the problem?",
            "What happens today, and what it leads to.",
            multiline=True,
            most=MOST_WORDS,
        ),
    ] = ""
    affected: Annotated[
        Words, Input("Who has it?", placeholder="Dispatchers of all depots, about 40 people")
    ] = ""
    project: Annotated[
        str,
        Input(
            "Does it go on already?",
            "Pick its project then. Without one, approval makes a new project.",
        ),
    ] = ""
    """The key of a project that goes on already; empty for none."""


class KeepPeople(Step):
    """Who stands behind it, and what kind of value it seeks."""

    KEY, TITLE = "people", "Who and what kind"

    owner_id: Annotated[
        str | None, Input("Who will answer for it?", placeholder="Pick somebody")
    ] = None
    sponsor_id: Annotated[
        str | None,
        Input(
            "Who sponsors it?",
            "Whoever wants the result and pays for it.",
            placeholder="Pick somebody",
        ),
    ] = None
    business_unit: Annotated[Words, Input("For which unit?", most=NAME)] = ""
    category: Annotated[ProjectCategory | None, Input("What kind of value?")] = None


class KeepMeasure(Step):
    """How one will see that it works."""

    KEY, TITLE = "measure", "How you'll see it"

    metric: Annotated[
        Words, Input("What do you measure?", most=NAME, placeholder="Minutes to route a ticket")
    ] = ""
    baseline: Annotated[Figure | None, Input("What is it now?", most=40)] = None
    baseline_on: Annotated[date | None, Input("Measured on")] = None
    target: Annotated[Figure | None, Input("What should it be?", most=40)] = None

    @field_validator("baseline_on")
    @classmethod
    def _sensible(cls, value: date | None) -> date | None:
        return plausible_day(value)


class KeepFrame(Step):
    """Over which months amounts are given."""

    KEY, TITLE = "frame", "Over which time"

    starts: Annotated[
        Month,
        Input("From which month on?", "Any day of that month.", empty="Pick a day of that month."),
    ]
    months: Annotated[
        Annotated[int, Field(ge=1, le=MOST_MONTHS)],
        Input(
            "For how many months?",
            "Costs and benefits after that don't count.",
            most=3,
            empty=f"Say how many months count, 1 to {MOST_MONTHS}.",
        ),
    ]
    currency: Annotated[
        Currency, Input("In which currency?", most=3, empty="Three letters, like EUR.")
    ]

    @field_validator("months", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        if isinstance(value, str) and not (value.strip().isascii() and value.strip().isdigit()):
            raise ValueError(f"write a whole number of months, 1 to {MOST_MONTHS}")
        return value

    @field_validator("starts")
    @classmethod
    def _sensible(cls, value: date) -> date:
        return plausible_day(value) or value


class KeepCertainty(Step):
    """How sure the estimate is, and how grave the risk."""

    KEY, TITLE = "certainty", "How sure you are"

    confidence: Annotated[
        Share | None,
        Input(
            "How likely is it that the benefits come?",
            "A probability, like 70 %. It's used in the rank only.",
            most=10,
        ),
    ] = None
    feasibility: Annotated[
        Share | None,
        Input(
            "How likely is it that it can be built?",
            "A probability, like 90 %. It's used in the rank only.",
            most=10,
        ),
    ] = None
    tier: Annotated[
        Annotated[int, Field(ge=1, le=3)] | None,
        Input("Which risk tier do you expect?", "Once its models are assessed, theirs counts."),
    ] = None
    waiver: Annotated[
        Words,
        Input(
            "Why now, although maturity is low?",
            "Those who decide read it.",
            multiline=True,
            most=MOST_WORDS,
        ),
    ] = ""


STEPS: tuple[type[Step] | str, ...] = (
    KeepIdea,
    KeepPeople,
    KeepMeasure,
    KeepFrame,
    "benefits",
    "costs",
    KeepCertainty,
    "review",
)
"""In order; a name stands for a step that only lists what is there."""
REVIEW = len(STEPS)
"""The last step, counted from 1."""


def find_step(name: str) -> int:
    """The number of a step, counted from 1. Raises ValueError."""
    names = [each if isinstance(each, str) else each.KEY for each in STEPS]
    return names.index(name) + 1


class CaseLine(OnCase):
    """A benefit or a cost: a new one, or the one with the id `line_id` anew."""

    line_id: int | None = None
    driver: Driver
    name: Annotated[
        Words, Input("What is it?", most=NAME, placeholder="Fewer misrouted tickets")
    ] = ""
    amount: Annotated[
        Words,
        Input(
            "How much a month?",
            "4,000 · low / likely / high: 3,000 / 4,000 / 5,000 · a line: 2,000 → 6,000 · or paste a table, a row a month.",
            multiline=True,
            most=MOST_WORDS,
        ),
    ] = ""
    uses: Annotated[
        Words,
        Input(
            "How many uses a month?",
            "8,000 · 6,000 / 8,000 / 9,000 · 1,000 → 8,000 · or a table, a row a month.",
            multiline=True,
            most=MOST_WORDS,
        ),
    ] = ""
    minutes: Annotated[Words, Input("Minutes saved each time", "3 · or 2 / 3 / 4", most=60)] = ""
    acceptance: Annotated[
        Words, Input("Share of uses that people accept", "60 % · or 40 % / 60 % / 70 %", most=60)
    ] = ""
    rate: Annotated[Words, Input("What an hour costs", "45 · or 40 / 45 / 50", most=60)] = ""

    @property
    def entered(self) -> dict[str, str]:
        """The texts of its figures."""
        wanted = TIME_FIELDS if self.driver is Driver.TIME_SAVED else ("amount",)
        return {name: getattr(self, name) for name in wanted}


TIME_FIELDS = ("uses", "minutes", "acceptance", "rate")


class RemoveLine(OnCase):
    """A benefit or cost goes."""

    line_id: int


class DropCase(OnCase):
    """Nobody wants it any more."""


class AskCase(OnCase):
    """Ask for approval of the case as it is written."""

    channel: Annotated[
        str,
        Input(
            "Where will people talk about it?",
            "Messages about the project go to this channel. It can be left to an administrator.",
            placeholder="Pick a channel",
        ),
    ] = ""
    """The id of a channel for a project that is made now; empty for none."""


class PutAtPlace(_Form):
    """A leader puts a project at a place of the portfolio."""

    project_id: int = Field(ge=1, le=2**31 - 1)
    place: Annotated[
        Annotated[int, Field(ge=1, le=10_000)],
        Input("At which place?", "1 is the first.", most=5, empty="Say a place, 1 for the first."),
    ]
    until: Annotated[date, Input("Until when?", empty="Pick the last day on which it counts.")]
    reason: Annotated[
        Annotated[
            str, StringConstraints(strip_whitespace=True, min_length=3, max_length=MOST_WORDS)
        ],
        Input(
            "Why?",
            "Everybody who sees the project in the portfolio reads this.",
            multiline=True,
            least=3,
            most=MOST_WORDS,
        ),
    ]

    @field_validator("place", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        if isinstance(value, str) and not (value.strip().isascii() and value.strip().isdigit()):
            raise ValueError("write a whole number, 1 for the first place")
        return value


# --- Projects as a whole

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=MOST_WORDS)
]


class OnProject(_Form):
    """Something that is done about a project, in the state in which it was shown."""

    project_id: int = Field(ge=1, le=2**31 - 1)
    status: ProjectStatus


class StopProject(OnProject):
    """It ends before its time."""

    reason: Annotated[Reason, Input("Why does it stop?", multiline=True, least=3, most=MOST_WORDS)]
    learnt: Annotated[
        Reason,
        Input(
            "What was learnt?",
            "Whoever has the same idea next reads this.",
            multiline=True,
            least=3,
            most=MOST_WORDS,
        ),
    ]


class FinishProject(OnProject):
    """It has done what it was for."""

    reason: Annotated[
        Reason, Input("Why is it finished?", multiline=True, least=3, most=MOST_WORDS)
    ]
    learnt: Annotated[
        Reason,
        Input(
            "What was learnt?",
            "Whoever has the same idea next reads this.",
            multiline=True,
            least=3,
            most=MOST_WORDS,
        ),
    ]


class PauseProject(OnProject):
    """It rests for a while."""

    reason: Annotated[
        Reason,
        Input(
            "Why does it pause?", "Say what it waits for.", multiline=True, least=3, most=MOST_WORDS
        ),
    ]
    learnt: Annotated[Words, Input("What was learnt so far?", multiline=True, most=MOST_WORDS)] = ""


class ResumeProject(OnProject):
    """It goes on."""

    reason: Annotated[Reason, Input("Why does it go on?", multiline=True, least=3, most=MOST_WORDS)]
    learnt: Annotated[
        Words, Input("What was learnt meanwhile?", multiline=True, most=MOST_WORDS)
    ] = ""


# --- Cases that no longer hold


class OnCheck(_Form):
    """An answer to the question what is to become of a case that no longer holds, as it was shown."""

    check_id: int = Field(ge=1, le=2**31 - 1)
    revision: int = Field(ge=1, le=2**31 - 1)


class GoOn(OnCheck):
    """It goes on all the same."""

    reason: Annotated[
        Reason,
        Input(
            "Why does it go on?",
            "You aren't asked again until it gets worse.",
            multiline=True,
            least=3,
            most=MOST_WORDS,
        ),
    ]
