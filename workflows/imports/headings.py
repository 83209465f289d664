"""Which of our fields a column is, by its heading: pure."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflows.errors import InvalidInput
from workflows.sources.text import storable

IGNORED = "-"
"""What stands for our field when a column is to be left out."""
_NEAR = 0.75


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one kind of table. `needed` holds sets of which one has to be there."""

    kind: str
    aliases: Mapping[str, tuple[str, ...]]
    needed: tuple[frozenset[str], ...]

    @property
    def by_word(self) -> dict[str, str]:
        """Every folded heading that is understood → our field."""
        words = {folded(name): name for name in self.aliases}
        for name, others in self.aliases.items():
            words |= {folded(other): name for other in others if folded(other) not in words}
        return words


PEOPLE = Fields(
    "people",
    {
        "slack_id": ("slack", "slack user id", "slack user", "member id", "user id", "slack member id"),
        "email": ("e-mail", "mail", "email address", "e-mail address", "work email"),
        "person": ("slack id or e-mail", "slack id or email", "who"),
        "name": ("full name", "display name"),
        "manager": ("line manager", "manager email", "manager e-mail", "manager slack id", "reports to", "supervisor"),
        "business_unit": ("unit", "bu", "department", "division"),
        "persona": ("role", "job family"),
        "country": ("country code", "location country"),
    },
    (frozenset({"slack_id", "email", "person"}),),
)  # fmt: skip
PROJECTS = Fields(
    "projects",
    {
        "key": ("project", "project key", "id", "project id", "code"),
        "name": ("project name", "title"),
        "owner": ("project owner", "business owner", "budget owner"),
        "sponsor": ("executive sponsor", "project sponsor"),
        "manager": ("project manager", "lead", "project lead"),
        "business_unit": ("unit", "bu", "department", "division"),
        "category": ("type", "value category", "kind"),
        "status": ("state", "phase"),
        "channel": ("slack channel", "channel id", "channel name"),
        "accounts": (
            "account",
            "sub-accounts",
            "sub accounts",
            "cloud accounts",
            "sub account ids",
            "subscriptions",
        ),
    },
    (frozenset({"key"}),),
)
BUDGETS = Fields(
    "budgets",
    {
        "project": ("project key", "key", "project id"),
        "period": ("per", "cycle"),
        "starts": ("start", "from", "start date", "starts on", "valid from"),
        "ends": ("end", "to", "until", "end date", "ends on"),
        "amount": ("budget", "value", "limit"),
        "currency": ("ccy", "currency code"),
        "basis": ("cost basis",),
        "owner": ("budget owner",),
        "thresholds": ("threshold", "alert at", "alerts"),
    },
    tuple(frozenset({name}) for name in ("project", "starts", "amount", "currency")),
)

MILESTONES = Fields(
    "milestones",
    {
        "project": ("project key", "project id", "repository"),
        "title": ("milestone", "name", "milestone name", "deliverable"),
        "key": ("id", "milestone id", "code"),
        "type": ("kind", "category", "milestone type"),
        "owner": ("responsible", "assignee", "milestone owner", "who"),
        "baseline": ("planned", "planned date", "baseline date", "original date", "plan"),
        "forecast": ("due", "due date", "due on", "date", "deadline", "target date", "forecast date", "expected"),
        "actual": ("done", "completed", "completed on", "actual date", "finished", "closed", "met on"),
        "needs": ("depends on", "dependencies", "after", "predecessors", "blocked by"),
        "github": (),
        "github_at": (),
        "github_state": (),
    },
    (frozenset({"project"}), frozenset({"title"}), frozenset({"forecast", "baseline"})),
)  # fmt: skip

MODELS = Fields(
    "models",
    {
        "key": ("model", "model key", "id", "model id", "code"),
        "name": ("model name", "title", "display name"),
        "kind": ("type", "model type", "source"),
        "vendor": ("supplier", "provider"),
        "project": ("project key", "project id"),
        "owner": ("model owner", "responsible", "business owner"),
        "purpose": ("description", "what for", "use case"),
        "intended_use": ("intended uses",),
        "out_of_scope": ("out of scope use", "not meant for", "limitations"),
        "technique": ("algorithm", "method", "methodology"),
        "data_sources": ("data", "datasets", "training data"),
        "affects_people": ("people affected", "affects individuals"),
        "upstream": ("depends on", "inputs", "upstream models"),
        "exposure": ("model exposure",),
        "purpose_class": ("model purpose", "use", "decision type"),
        "eu_class": ("eu ai act", "eu ai act class", "ai act"),
    },
    (frozenset({"key"}),),
)

CASES = Fields(
    "cases",
    {
        "project": ("project key", "key", "project id"),
        "title": ("name", "case", "business case", "initiative"),
        "problem": ("problem statement", "need", "description"),
        "starts": ("start", "from", "start month", "first month"),
        "months": ("horizon", "horizon months", "duration", "number of months"),
        "currency": ("ccy", "currency code"),
        "benefits": ("benefit", "monthly benefit", "benefit a month", "benefits per month", "value per month"),
        "benefit_driver": ("benefit type", "driver", "value driver"),
        "costs": ("cost", "monthly cost", "cost a month", "costs per month"),
        "cost_driver": ("cost type",),
        "confidence": ("probability", "likelihood"),
        "feasibility": ("technical feasibility",),
        "tier": ("risk tier", "expected tier"),
        "metric": ("kpi", "measure"),
        "baseline": ("current value", "baseline value"),
        "baseline_on": ("baseline date", "measured on"),
        "target": ("target value", "goal"),
    },
    tuple(
        frozenset({name})
        for name in ("project", "starts", "months", "currency", "benefits", "costs", "confidence")
    ),
)  # fmt: skip

RETURNS = Fields(
    "returns",
    {
        "project": ("project key", "key", "project id"),
        "starts": ("start", "from", "first day", "period start"),
        "ends": ("end", "to", "until", "last day", "period end"),
        "amount": ("return", "benefit", "realised", "value"),
        "currency": ("ccy", "currency code"),
    },
    tuple(frozenset({name}) for name in ("project", "starts", "ends", "amount")),
)

KINDS = {
    fields.kind: fields
    for fields in (PEOPLE, PROJECTS, BUDGETS, MILESTONES, MODELS, CASES, RETURNS)
}


def folded(heading: str) -> str:
    """A heading without case, punctuation and spaces: `E-Mail address` and `email_address` are the same."""
    return re.sub(r"[\W_]+", "", heading.casefold())


@dataclass(frozen=True, slots=True)
class Columns:
    """Where our fields stand: field → column (from 0); and what was made of the other headings."""

    at: Mapping[str, int]
    notes: tuple[str, ...]
    given: Mapping[str, str]
    """What the command said by `--map`: their heading (folded) → our field, to be remembered."""


def find_columns(
    headings: Sequence[str], fields: Fields, given: Mapping[str, str], remembered: Mapping[str, str]
) -> Columns:
    """Find our fields among the headings: by `--map`, by what was remembered, by name. Raises InvalidInput."""
    words = fields.by_word
    named = _checked(given, headings, fields)
    at: dict[str, int] = {}
    unknown: list[int] = []
    notes: list[str] = []
    for column, heading in enumerate(headings):
        word = folded(heading)
        if not word:
            notes.append(f"Column {column + 1} has no heading; it is left out.")
            continue
        field = named.get(word) or remembered.get(word) or words.get(word)
        if field == IGNORED:
            continue
        if field is None or field not in fields.aliases:
            unknown.append(column)
            continue
        if field in at:
            raise InvalidInput(
                f"Two columns are {field}: “{_shown(headings[at[field]])}” and “{_shown(heading)}”. Leave one out by `--map '{_shown(heading)}={IGNORED}'`."
            )
        at[field] = column
    _check_unknown([headings[column] for column in unknown], fields, at, notes)
    for choice in fields.needed:
        if not choice & at.keys():
            wanted = " or ".join(sorted(choice))
            raise InvalidInput(
                f"There is no column {wanted} among: {_listed(headings)}. Name the right one by `--map 'Their heading={sorted(choice)[0]}'`."
            )
    return Columns(at, tuple(notes), named)


def _checked(given: Mapping[str, str], headings: Sequence[str], fields: Fields) -> dict[str, str]:
    there = {folded(heading): heading for heading in headings}
    named: dict[str, str] = {}
    for theirs, ours in given.items():
        field = IGNORED if ours.strip() == IGNORED else fields.by_word.get(folded(ours))
        if field is None:
            near = difflib.get_close_matches(folded(ours), fields.by_word, n=1, cutoff=0.5)
            meant = f" Did you mean {fields.by_word[near[0]]}?" if near else ""
            raise InvalidInput(
                f"--map: {fields.kind} have no field “{_shown(ours)}”.{meant} There are {', '.join(fields.aliases)}."
            )
        if folded(theirs) not in there:
            near = difflib.get_close_matches(folded(theirs), there, n=1, cutoff=0.5)
            meant = f" Did you mean “{_shown(there[near[0]])}”?" if near else ""
            raise InvalidInput(f"--map: the file has no heading “{_shown(theirs)}”.{meant}")
        named[folded(theirs)] = field
    return named


def _check_unknown(
    unknown: Sequence[str], fields: Fields, at: Mapping[str, int], notes: list[str]
) -> None:
    """A heading that is nearly one of ours is asked about rather than dropped; the others are left out and said so."""
    open_words = {word: field for word, field in fields.by_word.items() if field not in at}
    doubtful = []
    for heading in unknown:
        near = difflib.get_close_matches(folded(heading), open_words, n=1, cutoff=_NEAR)
        if near:
            field, theirs = open_words[near[0]], _shown(heading)
            doubtful.append(
                f"“{theirs}” may be {field}: say so by `--map '{theirs}={field}'`, or leave it out by `--map '{theirs}={IGNORED}'`."
            )
    if doubtful:
        raise InvalidInput("\n".join(doubtful))
    if unknown:
        notes.append(f"Left out, as no field of ours: {_listed(unknown)}.")


def _shown(heading: str) -> str:
    return storable(heading, 60)


def _listed(headings: Sequence[str]) -> str:
    first = ", ".join(_shown(heading) for heading in headings[:12] if heading)
    return first + (f" and {len(headings) - 12} more" if len(headings) > 12 else "")
