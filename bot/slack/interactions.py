"""What buttons and windows carry, as types: the one place that writes it into them and reads it back.

A button's value and a window's metadata are strings that stand in Slack for months: what a class here writes stays as
it is, whatever its fields are called, and a new field goes to the end, with a default. What cannot be read was carried
by another release, or made up; it is refused with the way on.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from datetime import date
from typing import Annotated, Any, ClassVar, Self, dataclass_transform, get_type_hints

from pydantic import BaseModel, ValidationError

from bot.slack import blocks
from workflows.errors import InvalidInput, InvalidInputs, all_faults
from workflows.inputs import inputs_of

BIGGEST = 2**31 - 1
OPEN_AGAIN = "Nothing was changed; open it again."

Place = tuple[str, str] | None
"""Channel and ts of the message on which a button stood; None where it stood elsewhere, or cannot follow."""


def other_release(thing: str, way_on: str = OPEN_AGAIN) -> InvalidInput:
    """The refusal of what this release did not write."""
    return InvalidInput(f"This {thing} is from another release of mlgov. {way_on}")


class WrongFields(InvalidInputs):
    """What is wrong in a window, each under its own field: block_id → sentence."""


def block_of(field: str) -> str:
    """The id of the block in which the field of a form is entered; that of a person's id is called without `_id`."""
    return _BLOCKS.get(field, field.removesuffix("_id"))


def ask(
    form: type[BaseModel],
    field: str,
    element: blocks.Element | None = None,
    *,
    initial: str = "",
    optional: bool | None = None,
    **changes: Any,
) -> blocks.Block:
    """The input of a form's field in the form's own words, a text field where no `element` is given.

    It is optional where the field is; `changes` are other words or settings for `blocks.input_` and the element.
    """
    asked = replace(inputs_of(form)[field], **changes)
    block = block_of(field)
    element = element or blocks.text_input(
        block,
        multiline=asked.multiline,
        initial=initial,
        placeholder=asked.placeholder,
        min_length=asked.least,
        max_length=asked.most,
    )
    if optional is None:
        optional = not form.model_fields[field].is_required()
    return blocks.input_(asked.label, element, block_id=block, hint=asked.hint, optional=optional)


def ask_person(
    form: type[BaseModel], field: str, slack_id: str | None = None, *, optional: bool = False
) -> blocks.Block:
    """As `ask`, for somebody of the workspace."""
    placeholder = inputs_of(form)[field].placeholder
    picker = blocks.person_picker(block_of(field), placeholder=placeholder, initial=slack_id)
    return ask(form, field, picker, optional=optional)


def ask_day(form: type[BaseModel], field: str, initial: date | None = None) -> blocks.Block:
    """As `ask`, for a day."""
    return ask(form, field, blocks.date_picker(block_of(field), initial=initial))


_BLOCKS = {
    "key": "name",
    "words": "word",
    "why": "missing",
    "generative": "base",
    "model": "base",
    "watched": "metrics",
    "valid_until": "until",
    "": "summary",
}
"""Fields of forms whose block is called otherwise."""


def faults_of(error: ValidationError, view: Mapping[str, Any]) -> dict[str, str]:
    """Everything that a form refuses, by the block of the window in which it was entered; in the last one what stands in none.

    Raises InvalidInput for a window without fields.
    """
    faults = place_faults(all_faults(error), view)
    if not faults:
        raise InvalidInput(WINDOW_UNREADABLE)
    return faults


def place_faults(
    faults: Iterable[tuple[str | None, str]], view: Mapping[str, Any]
) -> dict[str, str]:
    """Faults of fields, each given as `field.part` or by its block, by the blocks of a window: in the last one what
    stands in none. Nothing for a window without fields."""
    ids = [block["block_id"] for block in view.get("blocks", ()) if block["type"] == "input"]
    placed: dict[str, str] = {}
    for field, sentence in faults if ids else ():
        name = (field or "").partition(".")[0]
        own = () if field is None else (field, block_of(name), name)
        block = next((each for each in own if each in ids), ids[-1])
        placed.setdefault(block, sentence)
    return placed


def empties_of(
    form: type[BaseModel], view: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, str]:
    """What is said of the fields of a form that have to be filled in there and are empty, by their blocks."""
    needed = {
        block["block_id"]
        for block in view.get("blocks", ())
        if block["type"] == "input" and not block.get("optional")
    }
    asked = {block_of(name): each.empty for name, each in inputs_of(form).items() if each.empty}
    return missing_of({block: asked[block] for block in asked if block in needed}, values)


def missing_of(sentences: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """Of these blocks those in which nothing is entered, or nothing but blanks, with what is said of each."""
    return {
        block: sentence
        for block, sentence in sentences.items()
        if not (value.strip() if isinstance(value := values.get(block), str) else value)
    }


UNREADABLE = other_release("button or window").sentence
WINDOW_UNREADABLE = other_release("window").sentence


def number(text: str, least: int = 0) -> int:
    """An id, a revision or a place. Raises ValueError for what is none of ours."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValueError(text)
    value = int(text)
    if not least <= value <= BIGGEST:
        raise ValueError(text)
    return value


@dataclass(frozen=True, slots=True)
class Written:
    """How a field is written and read: the parts that it takes, None for all that are left, as one."""

    read: Callable[[list[str]], Any]
    write: Callable[[Any], Sequence[str]] = lambda value: [str(value)]
    width: int | None = 1


def _optional(
    none: str,
    read: Callable[[str], Any] = str,
    write: Callable[[Any], str] = str,
    width: int | None = 1,
) -> Written:
    return Written(
        lambda parts: None if parts[0] in ("", none) else read(parts[0]),
        lambda value: [none if value is None else write(value)],
        width,
    )


def _known(least: int) -> Written:
    """A number that an earlier release did not write; whatever is none counts as not written."""

    def read(parts: list[str]) -> int | None:
        try:
            return number(parts[0], least)
        except ValueError:
            return None

    return Written(read, lambda value: ["" if value is None else str(value)])


def _levels(text: str) -> dict[str, str]:
    pairs = [each.partition("=") for each in text.split(",") if each]
    return {key: level for key, _, level in pairs}


Id = Annotated[int, Written(lambda parts: number(parts[0], 1))]
Number = Annotated[int, Written(lambda parts: number(parts[0]))]
Flag = Annotated[bool, Written(lambda parts: parts[0] == "1", lambda value: [str(int(value))])]
Known = Annotated[int | None, _known(1)]
ZeroForNone = Annotated[int | None, _optional("0", number)]
DashForNone = Annotated[str | None, _optional("-", width=None)]
Day = Annotated[date | None, _optional("", date.fromisoformat, date.isoformat)]
Card = Annotated[
    Place,
    Written(
        lambda parts: (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None,
        lambda place: place or ("", ""),
        2,
    ),
]
Word = Annotated[str, Written(lambda parts: parts[0])]
Rest = Annotated[str, Written(lambda parts: parts[0], width=None)]


@dataclass_transform(frozen_default=True)
class Carried:
    """What a button or a window carries. Each class of it is a frozen dataclass."""

    SEPARATOR: ClassVar[str] = ":"
    THING: ClassVar[str] = "button"
    WAY_ON: ClassVar[str] = OPEN_AGAIN

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)

    @property
    def text(self) -> str:
        """As it stands in Slack."""
        return self.SEPARATOR.join(
            part
            for name, written, _ in _layout(type(self))
            for part in written.write(getattr(self, name))
        )

    @classmethod
    def read(cls, text: str) -> Self:
        """What was written. Raises InvalidInput for what this release cannot have written."""
        parts, values = text.split(cls.SEPARATOR), {}
        try:
            for name, written, is_needed in _layout(cls):
                if written.width is None:
                    taken, parts = [cls.SEPARATOR.join(parts)] if parts else [], []
                else:
                    taken, parts = parts[: written.width], parts[written.width :]
                if taken or is_needed:
                    values[name] = written.read(taken)
        except (ValueError, IndexError):
            raise cls.refusal() from None
        return cls(**values)

    @classmethod
    def refusal(cls) -> InvalidInput:
        """Said of what another release wrote, or somebody made up."""
        return other_release(cls.THING, cls.WAY_ON)


_LAYOUTS: dict[type[Carried], tuple[tuple[str, Written, bool], ...]] = {}


def _layout(kind: type[Carried]) -> tuple[tuple[str, Written, bool], ...]:
    """Its fields in order: how each is written, and whether it has to be there."""
    if kind not in _LAYOUTS:
        hints = get_type_hints(kind, include_extras=True)
        _LAYOUTS[kind] = tuple(
            (each.name, _written(hints[each.name]), each.default is MISSING)
            for each in fields(kind)  # type: ignore[arg-type]  # made one by __init_subclass__
        )
    return _LAYOUTS[kind]


def _written(hint: Any) -> Written:
    if isinstance(hint, type) and issubclass(hint, Carried):
        return Written(lambda parts: hint.read(parts[0]), lambda value: [value.text], None)
    written: Written = hint.__metadata__[0]
    return written


class Nothing(Carried):
    """Of what says by itself what it is about; whatever it carries is not looked at."""


# --- requests


class Request(Carried):
    """A request, and the revision of it that was shown; None in what an earlier release wrote."""

    WAY_ON = "`/mlgov approvals` lists what waits for you."

    approval_id: Id
    revision: Known = None


class RequestOnRecord(Request):
    """As well, what the request stood on when the card offered to ask again."""

    stands: Rest = ""


class RequestChoice(Carried):
    """An entry of a card's menu."""

    THING = "menu"
    WAY_ON = Request.WAY_ON

    verb: Word
    on: Request


class RequestCondition(Request):
    """A condition of a request, as it was shown."""

    condition_id: Known = None
    condition_revision: Known = None


class RequestWindow(Request):
    """A window about a request, and the card from which it was opened."""

    card: Card = None


class ConditionWindow(RequestWindow):
    """A window about a condition of a request."""

    condition_id: Known = None
    condition_revision: Known = None


class SeveralWindow(Carried):
    """Of the requests that it lists, those that ask for a comment, as a box for each carries them."""

    SEPARATOR = " "

    commented: Annotated[
        tuple[str, ...], Written(lambda parts: tuple(parts[0].split()), tuple, None)
    ] = ()


class Ticked(Carried):
    """The id of the block with a box to tick: what it stands for, as it was shown."""

    THING = "window"

    block: Word
    id: Number
    revision: Number


class AwayPlan(Carried):
    """`new`, or `offer` with the day until which somebody's status says that they are away."""

    what: Word
    until: Day = None

    @property
    def text(self) -> str:
        """As it stands in Slack."""
        return f"{self.what}:{self.until or ''}" if self.what == "offer" else self.what


class AbsenceRef(Carried):
    """Somebody's own absence."""

    WAY_ON = "`/mlgov away` shows your absences."

    absence_id: Number


# --- budgets


class _OfBudgets(Carried):
    WAY_ON = "Use `/mlgov budget` instead."


class AlertRef(_OfBudgets):
    """An alert."""

    alert_id: Number


class BudgetRef(_OfBudgets):
    """A budget, and mostly the revision of it that was shown."""

    budget_id: Number
    revision: Known = None


class _ChangesRequest:
    """Of a window that changes a request, where that is what it was opened for."""

    approval_id: int | None
    shown: int | None

    @property
    def request(self) -> Request:
        """The request. Raises InvalidInput where there is none."""
        if self.approval_id is None:
            raise Request.refusal()
        return Request(self.approval_id, self.shown)


class IncreaseWindow(_OfBudgets, _ChangesRequest):
    """A budget as the window shows it; of a window that changes a request, that as well."""

    budget_id: Number
    revision: Number
    approval_id: Known = None
    card: Card = None
    """From which the window was opened."""
    shown: Known = None
    """The revision of the request."""
    first: Day = None
    """The first day of the round that it shows; None in a window of an earlier release."""


# --- digests


class _OfDigests(Carried):
    WAY_ON = "`/mlgov digest last` shows your last digest."


class DigestPart(_OfDigests):
    """A part of a digest; of the preview where its id is 0."""

    digest_id: Number
    part: Rest = ""


class ReleaseRef(_OfDigests):
    """The first digests of an audience, which its owner looks at."""

    release_id: Number


# --- the front


class PageRef(Carried):
    """A page of a list or of a section of App Home."""

    WAY_ON = "`/mlgov status` shows the list anew."

    name: Word
    number: Number


class ProjectRef(Carried):
    """A project by its key; none where it stands for no project in particular."""

    key: DashForNone


# --- models


class _OfModels(Carried):
    WAY_ON = "Use `/mlgov models` instead."


class ModelRef(_OfModels):
    """What to do about the model and the version that a card showed, each with its revision."""

    verb: Word
    model_id: Number
    model_revision: Number
    version_id: ZeroForNone
    version_revision: Number


class ModelWindow(ModelRef):
    """A window about a model, and the card from which it was opened."""

    card: Card = None


class EvidenceWindow(ModelWindow):
    """The window of evidence; with a file that was shared, by Slack's id."""

    file_id: Annotated[str | None, _optional("", width=None)] = None


class ReviewWindow(ModelWindow):
    """The window of a review, and the day for which it was due."""

    due: Day = None


class ClassifyWindow(ModelWindow):
    """The window that says that an entry is a model, or that it is none."""

    is_model: Flag = False


class RegisterWindow(Carried):
    """The channel of the message from which the window was opened, sealed; nothing where there was none."""

    channel: Word = ""
    seal: Rest = ""


class VersionRef(_OfModels):
    """A model, and one of its versions."""

    model_id: Number
    version_id: ZeroForNone = None


class FindingRef(_OfModels):
    """A finding, as it was shown."""

    finding_id: Number
    revision: Number


class EvidenceRef(_OfModels):
    """An item of evidence."""

    item_id: Number


class FileRef(Carried):
    """A file that was shared, by Slack's id."""

    file_id: Rest


class Picked(Carried):
    """What was picked in a menu or tapped."""

    value: Rest


# --- maturity


class _OfMaturity(Carried):
    WAY_ON = "Use `/mlgov maturity` instead."


class CheckInRef(_OfMaturity):
    """Somebody's own check-in."""

    invitation_id: Number


class CheckInPart(CheckInRef):
    """A part of it, by its place."""

    position: Number = 0


class CycleRef(_OfMaturity):
    """A check-in of the organisation, or of a unit."""

    cycle_id: Number


class UnitRef(_OfMaturity):
    """A business unit; None for all of the organisation."""

    SEPARATOR = "\n"

    unit: Annotated[str | None, _optional("-")]


class TargetsWindow(UnitRef):
    """The levels that it showed; None in a window of an earlier release, which does not say."""

    levels: Annotated[
        dict[str, str] | None,
        Written(
            lambda parts: _levels(parts[0]),
            lambda levels: [",".join(f"{key}={level}" for key, level in (levels or {}).items())],
        ),
    ] = None


class GapRef(_OfMaturity):
    """A statement that does not hold, in a business unit; empty for all of the organisation."""

    SEPARATOR = "|"

    statement: Word
    unit: Rest = ""


# --- milestones


class _OfMilestones(Carried):
    WAY_ON = "Use `/mlgov milestones` instead."


class MilestoneRef(_OfMilestones):
    """A milestone, as it was shown."""

    milestone_id: Number
    revision: Number


class MilestoneChoice(_OfMilestones):
    """An entry of a milestone's menu."""

    verb: Word
    on: MilestoneRef


class MilestoneWindow(MilestoneRef):
    """A window about a milestone, and the card from which it was opened."""

    card: Card = None


class DayWindow(MilestoneWindow, _ChangesRequest):
    """The window of another day for a milestone; of one that changes a request, that as well."""

    approval_id: Known = None
    shown: Known = None
    """The revision of the request."""


class OverdueRef(_OfMilestones):
    """A list of milestones that were overdue when they were imported."""

    import_id: Number


class AddWindow(Carried):
    """The project and the sealed promise (`channel:ts`) that a new milestone is about, where it is about one."""

    THING = "window"

    project: str | None = None
    promise: str = ""
    seal: str = ""

    @property
    def text(self) -> str:
        """As it stands in Slack."""
        return json.dumps({"project": self.project, "promise": self.promise, "seal": self.seal})

    @classmethod
    def read(cls, text: str) -> Self:
        """What was written. Raises InvalidInput for what this release cannot have written."""
        try:
            carried: Mapping[str, Any] = json.loads(text)
            project, promise = carried["project"], carried["promise"]
            seal = carried.get("seal")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise cls.refusal() from None
        return cls(project and str(project), str(promise or ""), str(seal or ""))


# --- business cases


class _OfCases(Carried):
    WAY_ON = "Use `/mlgov propose` instead."


class CaseRef(_OfCases):
    """A business case."""

    case_id: Number


class CaseStep(CaseRef):
    """A step of it, counted from 1."""

    step: Number


class CaseOnRecord(CaseRef):
    """A case, as it was shown."""

    revision: Number


class CaseWindow(CaseOnRecord):
    """A step's window, as it was shown; case 0 where it is to be begun, with the sealed message (`channel:ts`) that
    holds the idea."""

    step: Number
    promise: Annotated[
        str,
        Written(lambda parts: parts[0].replace("|", ":"), lambda place: [place.replace(":", "|")]),
    ] = ""
    seal: Rest = ""


class CaseLineRef(CaseOnRecord):
    """A benefit or cost of a case, as it was shown."""

    line_id: Number


class CaseLineChoice(_OfCases):
    """An entry of a line's menu."""

    verb: Word
    on: CaseLineRef


class CaseDriver(CaseOnRecord):
    """What kind of benefit or cost is to be added to a case."""

    driver: Rest


class CaseLineWindow(CaseOnRecord):
    """The window of a benefit or cost; line 0 where it is a new one."""

    line_id: Number
    driver: Word


class PlaceWindow(Carried):
    """The project whose place in the portfolio is chosen."""

    WAY_ON = "Use `/mlgov portfolio` instead."

    key: Rest


class EndingRef(_OfCases):
    """What is to be done with a project as a whole (`storage.enums.Outcome`), by the project's key."""

    kind: Word
    key: Rest


class EndingWindow(_OfCases):
    """The same, with the state in which the project was shown."""

    kind: Word
    status: Word
    key: Rest


class CheckRef(_OfCases):
    """The question what is to become of a case that no longer holds, as it was shown."""

    check_id: Number
    revision: Number


class _OfReturns(Carried):
    WAY_ON = "Use `/mlgov portfolio returns` instead."


class AskingRef(_OfReturns):
    """A message that asks what came of a project."""

    asking_id: Number


class ReturnRef(_OfReturns):
    """What came of a project in a period."""

    return_id: Number


class AskingWindow(AskingRef):
    """A window about such a message, and the message."""

    card: Card = None


class ReturnWindow(_OfReturns):
    """The window of a return of a project: a new one, or another in the place of `replaces`; the message, where one was
    before whoever opened it."""

    project_id: Number
    replaces: ZeroForNone = None
    card: Card = None


# --- the registry and tokens


class RegistryRef(Carried):
    """The registry as it was shown; None for a button of an earlier release, which does not say."""

    revision: Annotated[int | None, _known(0)]


class TokenRef(Carried):
    """A token, by the beginning that is shown of it."""

    prefix: Rest
