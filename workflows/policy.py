"""governance.yml as typed values. A bad file is refused with the line and the reason."""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from storage.enums import Ask, CostBasis
from workflows.errors import GovernanceError

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
Month = Literal[
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip

_DURATION = re.compile(r"^(\d{1,4})(m|h|d|w)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_APPROVER = re.compile(
    r"^(?:[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*|role:[a-z][a-z0-9_]*|subject\.(?:owner|sponsor|manager))$"
)
_MEMBER = re.compile(r"^(?:[UW][A-Z0-9]{2,}|S[A-Z0-9]{2,}|@[a-z0-9][a-z0-9._-]*)$")
MAX_BYTES = 1_000_000


class PolicyRefused(GovernanceError):
    """A policy file that cannot be used; the sentence names file, line and reason for each fault."""


def parse_duration(value: object) -> object:
    """`7d`, `24h`, `90m`, `2w` as a timedelta; anything else is left for pydantic to refuse."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := _DURATION.match(value)):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    raise ValueError("a duration is a number and m, h, d or w, like 24h or 7d")


def _approver(value: object) -> object:
    if not isinstance(value, str) or not _APPROVER.match(value):
        raise ValueError(
            f"{value!r} names no approver; write a Slack id (U…, W…, S…), @group, role:name, "
            "subject.owner, subject.sponsor or subject.manager"
        )
    return value


def _member(value: object) -> object:
    if not isinstance(value, str) or not _MEMBER.match(value):
        raise ValueError(
            f"{value!r} names nobody; write a Slack id (U…, W…, S…) or @group"
        )
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Approver = Annotated[str, BeforeValidator(_approver)]
Member = Annotated[str, BeforeValidator(_member)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Organisation(_Section):
    """Who is governed, and the calendar that holds where a person has none of their own."""

    name: str = Field(min_length=1, max_length=80)
    timezone: str = "UTC"
    fiscal_year_starts: Month = "january"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(
                f"{value!r} is no IANA time zone; write one like Europe/London"
            )
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's own time zone."""
        return ZoneInfo(self.timezone)

    @property
    def fiscal_month(self) -> int:
        """The month (1 to 12) in which a fiscal year starts."""
        return MONTHS.index(self.fiscal_year_starts) + 1


class Channels(_Section):
    """Where the bot speaks to those who govern: names with # or Slack ids."""

    governance: str | None = None
    audit: str | None = None
    admin: str | None = None


class Stage(_Section):
    """Approvers who are asked together, and how many of them must approve."""

    name: str = Field(min_length=1, max_length=60)
    approvers: tuple[Approver, ...] = Field(min_length=1, max_length=50)
    quorum: int = Field(default=1, ge=1, le=20)
    ask: Ask | None = None


class Gate(_Section):
    """How a kind of request is decided: stages in order, and the time there is."""

    stages: tuple[Stage, ...] = Field(min_length=1, max_length=10)
    ask: Ask = Ask.CHANNEL
    expires_after: Duration = timedelta(days=7)

    @field_validator("expires_after")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= timedelta(days=365):
            raise ValueError("a request can wait between 5m and 365d")
        return value

    @model_validator(mode="after")
    def _distinct_names(self) -> "Gate":
        names = [stage.name.casefold() for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(
                "two stages have the same name; people must be able to tell them apart"
            )
        return self


class Allocation(_Section):
    """A rule that says whose cost a row is: by sub-account (id or name) or by one tag."""

    project: str = Field(min_length=1)
    sub_account: str | None = None
    tag: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> "Allocation":
        if self.sub_account is None and not self.tag:
            raise ValueError(
                "a rule needs sub_account or tag, else it would claim every row"
            )
        if self.tag is not None and len(self.tag) != 1:
            raise ValueError("a rule matches one tag; write two rules for two tags")
        return self


class Costs(_Section):
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


class Budgets(_Section):
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


class Policy(_Section):
    """Everything that governance.yml says."""

    version: Literal[1]
    organisation: Organisation
    channels: Channels = Channels()
    roles: dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], tuple[Member, ...]
    ] = {}
    gates: dict[Literal["budget_increase"], Gate] = {}
    costs: Costs = Costs()
    budgets: Budgets = Budgets()

    @model_validator(mode="after")
    def _known_roles(self) -> "Policy":
        for name, gate in self.gates.items():
            for stage in gate.stages:
                for approver in stage.approvers:
                    role = approver.removeprefix("role:")
                    if role != approver and role not in self.roles:
                        raise ValueError(
                            f"gate {name}, stage {stage.name}: there is no role {role!r} under roles"
                        )
        return self

    def gate(self, name: str) -> Gate:
        """The gate of that name; GovernanceError when the policy has none."""
        found = self.gates.get(name)  # type: ignore[call-overload]
        if not isinstance(found, Gate):
            raise GovernanceError(
                f"The policy has no gate {name!r}, so nobody could decide this. An administrator can add it to governance.yml."
            )
        return found


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy with the very text it was read from, and the digest that names it."""

    policy: Policy
    text: str
    sha256: str


def load(path: Path) -> PolicyText:
    """Read and check a policy file. Raises PolicyRefused naming the file, each line at fault and why."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise PolicyRefused(
            f"{path}: there is no such file. Copy the example with `mlgov policy example > {path}`."
        ) from None
    except OSError as error:
        raise PolicyRefused(f"{path}: cannot be read ({error.strerror}).") from None
    if len(raw) > MAX_BYTES:
        raise PolicyRefused(
            f"{path}: is larger than {MAX_BYTES:,} bytes; that is no policy."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PolicyRefused(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8."
        ) from None
    return parse(text, name=str(path))


def parse(text: str, *, name: str = "governance.yml") -> PolicyText:
    """Check a policy text. Raises PolicyRefused with one line per fault."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeats(node, name)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise PolicyRefused(
            f"{name}{line}: {getattr(error, 'problem', None) or 'is not YAML'}"
        ) from None
    except RecursionError:
        raise PolicyRefused(f"{name}: is nested too deeply to be a policy.") from None
    if not isinstance(data, dict):
        raise PolicyRefused(
            f"{name}: is empty or no mapping; it starts with `version: 1`."
        )
    try:
        policy = Policy.model_validate(data)
    except ValidationError as error:
        faults = [
            f"{name}:{_line(node, fault['loc'])}: {'.'.join(str(part) for part in fault['loc']) or 'file'}: {_words(fault)}"
            for fault in error.errors(include_url=False)
        ]
        raise PolicyRefused("\n".join(faults)) from None
    return PolicyText(policy, text, hashlib.sha256(text.encode()).hexdigest())


def _words(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such key here"
    return str(fault["msg"]).removeprefix("Value error, ")


def _refuse_repeats(node: yaml.Node | None, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise PolicyRefused(
                    f"{name}:{key.start_mark.line + 1}: {key.value} stands here twice"
                )
            seen.add(key.value)
            _refuse_repeats(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(item, name)


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    line = node.start_mark.line if node is not None else 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                break
            line, node = match[0].start_mark.line, match[1]
        elif (
            isinstance(node, yaml.SequenceNode)
            and isinstance(part, int)
            and part < len(node.value)
        ):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1


def json_schema() -> dict[str, Any]:
    """The JSON Schema of governance.yml, for editors."""
    return Policy.model_json_schema()
