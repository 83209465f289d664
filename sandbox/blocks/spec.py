"""Small checks that compose into Block Kit's schema, with findings worded as Slack words them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from sandbox.coverage import BLOCKS_NOT_COVERED

# A check looks at a value that stands at a JSON pointer, and adds what is wrong to the findings.
Findings = list[str]
Check = Callable[[Any, str, Findings], None]


def finding(text: str, pointer: str) -> str:
    """A finding with its place, as in `response_metadata.messages` without the `[ERROR]`."""
    return f"{text} [json-pointer:{pointer}]"


def string(most: int | None = None, *, least: int = 0) -> Check:
    """A string of `least` to `most` characters."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, str):
            findings.append(finding("must provide a string", pointer))
        elif len(value) < least:
            findings.append(finding(f"must be more than {least - 1} characters", pointer))
        elif most is not None and len(value) > most:
            findings.append(finding(f"must be less than {most + 1} characters", pointer))

    return check


def url(most: int) -> Check:
    """An absolute http(s) address of at most `most` characters."""
    size = string(most, least=1)

    def check(value: Any, pointer: str, findings: Findings) -> None:
        before = len(findings)
        size(value, pointer, findings)
        if len(findings) == before:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https", "mailto", "slack") or not (
                parts.netloc or parts.path
            ):
                findings.append(finding("must be a valid URL", pointer))

    return check


def boolean(value: Any, pointer: str, findings: Findings) -> None:
    """True or false."""
    if not isinstance(value, bool):
        findings.append(finding("must provide a boolean", pointer))


def integer(least: int | None = None, most: int | None = None) -> Check:
    """A whole number between two bounds."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            findings.append(finding("must provide an integer", pointer))
        elif least is not None and value < least:
            findings.append(finding(f"must be greater than or equal to {least}", pointer))
        elif most is not None and value > most:
            findings.append(finding(f"must be less than or equal to {most}", pointer))

    return check


def number(value: Any, pointer: str, findings: Findings) -> None:
    """Any number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        findings.append(finding("must provide a number", pointer))


def one_of(*allowed: Any) -> Check:
    """One of a few values."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if value not in allowed:
            names = ", ".join(str(one) for one in allowed)
            findings.append(finding(f"must be a valid enum value: {names}", pointer))

    return check


def array(item: Check, *, least: int = 0, most: int | None = None) -> Check:
    """A list of `least` to `most` items."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, list):
            findings.append(finding("must provide an array", pointer))
            return
        if len(value) < least:
            findings.append(finding(f"no fewer than {least} items allowed", pointer))
        if most is not None and len(value) > most:
            findings.append(finding(f"no more than {most} items allowed", pointer))
            return
        for index, element in enumerate(value):
            item(element, f"{pointer}/{index}", findings)

    return check


def record(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    *,
    also: Check | None = None,
) -> Check:
    """An object with these fields and no others; `also` looks at the whole of a sound one."""
    needed, known = dict(required or {}), {**(required or {}), **(optional or {})}

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.append(finding("must provide an object", pointer))
            return
        before = len(findings)
        for name in needed:
            if value.get(name) is None:
                findings.append(finding(f"missing required field: {name}", pointer))
        for name, field in value.items():
            field_check = known.get(name)
            if field_check is None:
                findings.append(finding(f"invalid additional property: {name}", pointer))
            elif field is not None:
                field_check(field, f"{pointer}/{name}", findings)
        if also is not None and len(findings) == before:
            also(value, pointer, findings)

    return check


def unsupported(kind: Any, pointer: str) -> str:
    """The finding about a block or element of another type, in other words when it is Slack's but not covered."""
    known = isinstance(kind, str) and kind in BLOCKS_NOT_COVERED
    words = f"unsupported type: {kind}"
    return finding(f"{words} (Slack's, not the sandbox's)" if known else words, f"{pointer}/type")


def typed(kinds: Mapping[str, Check], allowed: Collection[str] | None = None) -> Check:
    """An object that says what it is by its `type`; `allowed` narrows the kinds."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.append(finding("must provide an object", pointer))
            return
        kind = value.get("type")
        if kind is None:
            findings.append(finding("missing required field: type", pointer))
            return
        kind_check = kinds.get(kind) if isinstance(kind, str) else None
        if kind_check is None or (allowed is not None and kind not in allowed):
            findings.append(unsupported(kind, pointer))
            return
        kind_check(value, pointer, findings)

    return check


def exactly_one(*names: str) -> Check:
    """Exactly one of these fields is there."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if sum(value.get(name) is not None for name in names) != 1:
            quoted = " or ".join(f"`{name}`" for name in names)
            findings.append(finding(f"must define either {quoted}", pointer))

    return check


def every(*checks: Check) -> Check:
    """All of these checks."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        for check_ in checks:
            check_(value, pointer, findings)

    return check


def text_object(most: int, *kinds: str, least: int = 1) -> Check:
    """A text object of these kinds (default: plain_text and mrkdwn)."""
    size = string(most, least=least)
    kind = one_of("plain_text", "mrkdwn")
    forms = {
        "plain_text": record({"type": kind, "text": size}, {"emoji": boolean}),
        "mrkdwn": record({"type": kind, "text": size}, {"verbatim": boolean}),
    }
    return typed(forms, kinds or ("plain_text", "mrkdwn"))


def plain_text(most: int) -> Check:
    """A plain_text object."""
    return text_object(most, "plain_text")
