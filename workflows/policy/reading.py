"""Reading governance.yml. A bad file is refused with the line and the reason."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from workflows.errors import GovernanceError
from workflows.policy.gates import Fault
from workflows.policy.root import Policy

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
"""Values in a file once every alias is written out. A policy has some hundreds; a few lines of aliases make billions."""


class PolicyRefused(GovernanceError):
    """A policy file that cannot be used; the sentence names file, line and reason for each fault."""


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy with the very text it was read from, and the digest that names it."""

    policy: Policy
    text: str
    sha256: str


def load(path: Path) -> PolicyText:
    """Read and check a policy file. Raises PolicyRefused naming the file, each line at fault and why."""
    text = read_text(
        path, missing=f"Copy the example with `mlgov policy example > {path}`.", noun="policy"
    )
    return parse(text, name=str(path))


def parse(text: str, *, name: str = "governance.yml") -> PolicyText:
    """Check a policy text. Raises PolicyRefused with one line per fault."""
    policy = checked(text, Policy, name=name, noun="policy", faults=Policy.faults)
    return PolicyText(policy, text, digest(text))


def digest(text: str) -> str:
    """What names a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_text(path: Path, *, missing: str, noun: str) -> str:
    """The text of a file that people wrote. Raises PolicyRefused; `missing` says what to do when there is none."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise PolicyRefused(f"{path}: there is no such file. {missing}") from None
    except OSError as error:
        raise PolicyRefused(f"{path}: cannot be read ({error.strerror}).") from None
    if len(raw) > MAX_BYTES:
        raise PolicyRefused(f"{path}: is larger than {MAX_BYTES:,} bytes; that is no {noun}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PolicyRefused(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8."
        ) from None


def checked(
    text: str,
    model: type[M],
    *,
    name: str,
    noun: str,
    faults: Callable[[M], Iterable[Fault]] = lambda parsed: (),
) -> M:
    """A YAML text as typed values. Raises PolicyRefused with one line per fault: file, line, key and reason.

    `faults` looks at what the types could not say.
    """
    data = _data(text, name=name, noun=noun)
    if not isinstance(data, dict):
        raise PolicyRefused(f"{name}: is empty or no mapping; it starts with `version: 1`.")
    try:
        parsed = model.model_validate(data)
        wrong = list(faults(parsed))
    except ValidationError as error:
        wrong = [(fault["loc"], _words(fault)) for fault in error.errors(include_url=False)]
        parsed = None
    if parsed is None or wrong:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raise PolicyRefused(
            "\n".join(
                f"{name}:{_line(node, path)}: {'.'.join(str(part) for part in path) or 'file'}: {words}"
                for path, words in wrong
            )
        )
    return parsed


def _data(text: str, *, name: str, noun: str) -> Any:
    """What a YAML text says, as plain values. Raises PolicyRefused for all that no policy needs."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _refuse_oddities(node, name=name, noun=noun)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise PolicyRefused(
            f"{name}{line}: {getattr(error, 'problem', None) or 'is not YAML'}"
        ) from None
    except RecursionError:
        raise PolicyRefused(f"{name}: is nested too deeply to be a {noun}.") from None
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
        # PyYAML's own constructors raise these: for `2026-13-45`, `!!bool x` or `!!timestamp x`.
        raise PolicyRefused(
            f"{name}: holds a value that YAML can't read, such as a day that doesn't exist. Put it in quotation marks."
        ) from None


def line_of(text: str, path: tuple[int | str, ...]) -> int:
    """The line (from 1) at which a path of keys stands in a YAML text."""
    return _line(yaml.compose(text, Loader=yaml.SafeLoader), path)


def _words(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such key here"
    return str(fault["msg"]).removeprefix("Value error, ")


def _refuse_oddities(root: yaml.Node, *, name: str, noun: str) -> None:
    """Refuse keys that stand twice or are no words, and aliases that refer to themselves or multiply without an end.

    Each node is looked at once, however many aliases name it.
    """
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        """How many values the node stands for, with its aliases written out."""
        if id(node) in sizes:
            known = sizes[id(node)]
            if known is None:
                raise PolicyRefused(
                    f"{name}:{node.start_mark.line + 1}: refers to itself by an alias; write the value out"
                )
            return known
        sizes[id(node)] = None
        total = 1
        if isinstance(node, yaml.MappingNode):
            _refuse_odd_keys(node, name)
            total += sum(size(value) for _key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item) for item in node.value)
        if total > MAX_VALUES:
            raise PolicyRefused(
                f"{name}:{node.start_mark.line + 1}: its aliases stand for more than {MAX_VALUES:,} values; that is no {noun}."
            )
        sizes[id(node)] = total
        return total

    size(root)


def _refuse_odd_keys(node: yaml.MappingNode, name: str) -> None:
    seen: set[str] = set()
    for key, _value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise PolicyRefused(f"{name}:{line}: a key is a list or a mapping; a key is one word")
        if key.value in seen:
            raise PolicyRefused(f"{name}:{line}: {key.value} stands here twice")
        seen.add(key.value)


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    line = node.start_mark.line if node is not None else 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                break
            line, node = match[0].start_mark.line, match[1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value)
        ):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1


def json_schema() -> dict[str, Any]:
    """The JSON Schema of governance.yml, for editors."""
    return Policy.model_json_schema()
