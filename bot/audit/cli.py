"""`mlgov audit`: check the ledger, print its head."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import Json, fail, load_settings, open_database, say

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from storage.ledger import Head
    from workflows.audit.service import NotedRestoration

app = typer.Typer(help="Check the ledger and print its head.", no_args_is_help=True)


@app.command()
def verify(
    expect_head: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-head", help="SEQ:HASH as it was published; may be given more than once."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="SEQ:HASH that you trust: check only what came after it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the chain and compare it with the record; exit 0 when all of it agrees, 1 and what was changed when it does not.

    Heads from MLGOV_ANCHOR and --expect-head are what finds a chain that was cut off or hashed anew.
    """
    import json

    from bot import anchor
    from storage import ledger, runtime
    from storage.audit import governed
    from workflows.audit.service import Kept
    from workflows.errors import GovernanceError
    from workflows.record import telling
    from workflows.record.scanning import Look

    expected = [ledger.Head(*_parse_head(text)) for text in expect_head or []]
    trusted = ledger.Head(*_parse_head(since, "--since")) if since else None
    kept: Kept | None = None
    if place := load_settings().mlgov_anchor:
        try:
            kept = anchor.read(place)
        except GovernanceError as error:
            raise fail(error.sentence) from None
    with open_database() as database, database.read() as session:
        pins = _load_pins(session)
        look = Look(kept=kept, expected=tuple(expected), since=trusted, pins=pins)
        look.all(session, runtime.governed_now(session))
        faults = telling.describe_faults(session, look.faults)
        head = ledger.head(session)
        sealed = governed.find_first_sealed(session)
    compared = len(expected) + (len(kept.heads) if kept else 0)
    broken = next((each for each in look.faults if each.what == "chain"), None)
    restorations = kept.restorations if kept else ()
    if as_json:
        output = {
            "holds": not faults,
            "entries": head.seq,
            "head": head.hash,
            "compared": compared,
            "broken": broken.entry if broken else None,
            "reason": broken.field if broken else "",
            "since": trusted.seq if trusted else None,
            "subjects": look.subjects,
            "unproven": look.unproven,
            "proven_from": sealed,
            "faults": [
                each.fault.facts() | {"sentence": each.sentence, "mend": each.mend}
                for each in faults
            ],
            "restorations": [
                {"entries": each.seq, "known": each.known, "at": each.at.isoformat()}
                for each in restorations
            ],
        }
        say(json.dumps(output))
    else:
        if broken is not None:
            say(f"BROKEN at entry {broken.entry}: {broken.field}.")
        else:
            _say_holds(head, trusted, compared, restorations)
        others = [each for each in faults if each.fault.what != "chain"]
        for each in others:
            word = "LATE" if each.fault.what == "heads_late" else "CHANGED"
            say(f"{word}: {each.sentence}")
        for mend in dict.fromkeys(each.mend for each in faults):
            say(mend)
        if not others:
            say(_describe_agreement(look.subjects, look.unproven, sealed))
    if faults:
        raise typer.Exit(1)


def _load_pins(session: "Session") -> tuple[str, ...]:
    """The signing keys that the policy in force pins; none where it cannot be read, which the look tells of."""
    from workflows.errors import GovernanceError
    from workflows.policies import service as policies

    version = policies.in_force(session)
    try:
        return () if version is None else policies.version(session, version).statements.keys
    except GovernanceError:
        return ()


def _say_holds(
    head: "Head", trusted: "Head | None", compared: int, restorations: "Sequence[NotedRestoration]"
) -> None:
    outside = (
        f"{compared} published {'head agrees' if compared == 1 else 'heads agree'}"
        if compared
        else "no published head to compare with"
    )
    after = f", checked after entry {trusted.seq:,}" if trusted else ""
    say(f"The ledger holds: {head.seq} entries, head {head.seq}:{head.hash} ({outside}{after}).")
    for copy in restorations:
        if copy.known > copy.seq + 1:
            lost = (
                f"entries {copy.seq + 1:,} to {copy.known:,} that were there before are not in it"
            )
        elif copy.known > copy.seq:
            lost = f"entry {copy.known:,} that was there before is not in it"
        else:
            lost = "no entry that was known is missing in it"
        say(
            f"A copy with {copy.seq:,} entries was restored on {copy.at:%a %d %b %Y, %H:%M} UTC: {lost}."
        )
    if not compared and trusted is None:
        say(
            "Give --expect-head or set MLGOV_ANCHOR: only a head kept elsewhere shows a chain that was cut or rewritten."
        )


def _describe_agreement(subjects: int, unproven: int, sealed: int | None) -> str:
    from workflows.wording import counted

    what = f"The record agrees with it: {counted(subjects, 'request, budget, version, token, key or policy', 'requests, budgets, versions, tokens, keys and policies')} compared."
    if unproven:
        begins = f"before entry {sealed:,}" if sealed is not None else "by older releases"
        what += f" {unproven:,} of them changed last {begins}, where entries tell less: they are proven only in part."
    return what


@app.command()
def guard() -> None:
    """Put the triggers that keep the ledger append-only back in force."""
    from storage import triggers
    from workflows import clock
    from workflows.audit import service as audit
    from workflows.context import OPERATOR

    with open_database() as database, database.begin(patient=True) as session:
        wrong = triggers.restore(session.connection())
        if wrong:
            audit.write_entry(
                session,
                OPERATOR,
                "record.guarded",
                ("record", "triggers"),
                now=clock.now(session),
                was=wrong,
            )
    if not wrong:
        say("All triggers are in place.")
        return
    say(f"In place again: {', '.join(wrong)} before.")
    say("Find out who took them away, and run `mlgov audit verify`.")


@app.command()
def head(as_json: Json = False) -> None:
    """Print the head: SEQ:HASH, to be kept elsewhere."""
    import json

    from storage import runtime
    from workflows.audit import heads

    with open_database() as database, database.read() as session:
        latest = heads.read_current(session, now=runtime.governed_now(session))
    if as_json:
        say(json.dumps({"seq": latest.seq, "hash": latest.hash, "at": latest.at.isoformat()}))
    else:
        say(f"{latest.seq}:{latest.hash}")


def _parse_head(text: str, option: str = "--expect-head") -> tuple[int, str]:
    seq, _, digest = text.partition(":")
    if not seq.isdigit() or len(digest) != 64:
        raise fail(f"{option} {text}: a head is SEQ:HASH, as `mlgov audit head` prints it.", 2)
    return int(seq), digest.lower()
