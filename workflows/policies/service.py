"""The versions of the policy: each text that was ever in force is kept, and a request stays bound to its own."""

import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy.orm import Session

from storage.policies import queries
from workflows import policy as policies
from workflows import resting
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import NotFound
from workflows.policy import Gate, Policy, PolicyText
from workflows.policy.gates import Stage
from workflows.wording import span

# --- Two policies in words
#
# what an administrator wants to read before the new one is put in force. Pure.


def differences(old: Policy, new: Policy) -> list[str]:
    """Every difference, one sentence each, the gates first; empty when nothing differs."""
    return [*_gates(old.gates, new.gates), *_roles(old.roles, new.roles), *_rest(old, new)]


def _gates(old: Mapping[str, Gate], new: Mapping[str, Gate]) -> Iterator[str]:
    for name in old.keys() - new.keys():
        yield f"gate {name} is gone: nothing can be asked there any more"
    for name in new.keys() - old.keys():
        yield f"gate {name} is new: {_way(new[name])}"
    for name in [one for one in old if one in new]:
        yield from (f"gate {name}: {each}" for each in _gate(old[name], new[name]))


def _gate(old: Gate, new: Gate) -> Iterator[str]:
    before = {stage.name: stage for stage in old.stages}
    after = {stage.name: stage for stage in new.stages}
    for name in before:
        if name not in after:
            yield f"the stage {name} is gone"
    for name, stage in after.items():
        if name not in before:
            yield f"the stage {name} is new: {_stage(stage)}"
            continue
        yield from (
            f"the stage {name}: {each}" for each in _fields(before[name], stage, skip={"name"})
        )
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield f"the order is now {', then '.join(after)}"
    yield from _fields(old, new, skip={"stages"})


def _way(gate: Gate) -> str:
    return ", then ".join(f"{one.name} ({_stage(one)})" for one in gate.stages)


def _stage(stage: Stage) -> str:
    joint = " or " if stage.mode == "any" else " and "
    needs = joint.join(f"{party.quorum} of {', '.join(party.approvers)}" for party in stage.parties)
    return needs + (f", if {stage.when}" if stage.when else "")


def _roles(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for role in sorted(old.keys() | new.keys()):
        before, after = set(old.get(role, ())), set(new.get(role, ()))
        if after - before:
            yield f"role {role} gains {', '.join(sorted(after - before))}"
        if before - after:
            yield f"role {role} loses {', '.join(sorted(before - after))}"


def _rest(old: Policy, new: Policy) -> Iterator[str]:
    for section in type(new).model_fields:
        if section in ("gates", "roles"):
            continue
        before, after = getattr(old, section), getattr(new, section)
        if before == after:
            continue
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            yield from (f"{section}: {each}" for each in _fields(before, after))
        else:
            yield f"{section}: {_told(before)} becomes {_told(after)}"


def _fields(
    old: BaseModel, new: BaseModel, *, skip: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    for name in type(new).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if name not in skip and before != after:
            yield f"{name.rstrip('_')} was {_told(before)}, is now {_told(after)}"


def _told(value: object) -> str:
    if value is None or value == ():
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(words := getattr(value, "words", None), str):
        return words
    if isinstance(value, timedelta):
        return span(value)
    if isinstance(value, tuple | list):
        return ", ".join(_told(one) for one in value)
    if isinstance(value, BaseModel):
        kept = {
            name: getattr(value, name)
            for name in type(value).model_fields
            if getattr(value, name) not in (None, ())
        }
        return ", ".join(f"{name} {_told(one)}" for name, one in kept.items())
    return str(value)


# --- The versions of the policy
#
# each text that was ever in force is kept, and a request stays bound to its own.

_KEPT = 64
_parsed: dict[str, Policy] = {}
"""Policies by the digest of their text, so that a version is parsed once however often it is asked for."""
_lock = threading.Lock()


def adopt(ctx: Context, text: PolicyText) -> int:
    """Put a policy in force and return the id of its version; the same text is kept once.

    Versions are numbered 1, 2, 3 without a hole, also when several replicas put one in force at once. The ledger gets
    an entry when the version differs from the one it says was put in force last, so that starting again writes
    nothing, and going back to an earlier text does.
    """
    _keep(text.sha256, text.policy)
    version_id = queries.find_version(ctx.session, text.sha256)
    if version_id is not None and queries.last_adopted(ctx.session) == str(version_id):
        return version_id
    queries.lock(ctx.session)
    version_id = queries.find_version(ctx.session, text.sha256)
    if version_id is None:
        version_id = queries.add(ctx.session, text.sha256, text.text, ctx.now)
    last = queries.last_adopted(ctx.session)
    if last != str(version_id):
        audit.record(
            ctx,
            "policy.adopted",
            ("policy", version_id),
            sha256=text.sha256,
            before=int(last) if last else None,
        )
        # Who holds a role may be somebody else now: once every replica goes by it, what waits is looked at again.
        resting.recheck_all(ctx.session, at=ctx.now + resting.SOON)
    return version_id


def replaced(session: Session, text: PolicyText) -> tuple[int, int] | None:
    """The version that a text was, and the one that is in force in its place; None for a text that is in force, or that
    never was."""
    known, current = queries.find_version(session, text.sha256), in_force(session)
    if known is None or current is None or known == current:
        return None
    return known, current


def replaced_words(place: str, was: int, current: int) -> str:
    """What is said of a file that says an earlier version."""
    return (
        f"{place} is version {was} of the policy, which version {current} has replaced; version {current} stays in force. "
        f"To go back to it, run `mlgov policy apply {place} --again`; `mlgov policy show > {place}` writes down what is in force."
    )


def lock(session: Session) -> None:
    """Let nobody else put a policy in force until this transaction ends."""
    queries.lock(session)


def in_force(session: Session) -> int | None:
    """The version that the ledger says was put in force last; None before the first."""
    last = queries.last_adopted(session)
    return int(last) if last else None


def written(session: Session, version_id: int) -> str:
    """The text of a version as it is stored, whether or not this release can read it."""
    return queries.get_text(session, version_id)


def text(session: Session, version_id: int) -> PolicyText:
    """A stored version with its text. Raises NotFound."""
    policy = version(session, version_id)
    kept = queries.get_text(session, version_id)
    return PolicyText(policy, kept, policies.digest(kept))


def version(session: Session, version_id: int) -> Policy:
    """The policy of a version. Raises NotFound for a version that was never stored."""
    digest = queries.find_digest(session, version_id)
    if digest is None:
        raise NotFound(
            f"Policy version {version_id} is not in the database. Nothing was changed; `mlgov audit verify` tells whether the record is whole."
        )
    known = _parsed.get(digest)
    if known is None:
        known = policies.parse(
            queries.get_text(session, version_id), name=f"policy version {version_id}"
        ).policy
        _keep(digest, known)
    return known


def _keep(digest: str, policy: Policy) -> None:
    with _lock:
        if len(_parsed) >= _KEPT and digest not in _parsed:
            _parsed.pop(next(iter(_parsed)))
        _parsed[digest] = policy
