"""`mlgov audit`: check the ledger, print its head."""

from typing import Annotated

import typer

from bot.cli.base import Json, fail, opened, say, settings

app = typer.Typer(help="Check the ledger and print its head.", no_args_is_help=True)


@app.command()
def verify(
    expect_head: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-head",
            help="SEQ:HASH as it was published; may be given more than once.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the whole chain; exit 0 when it holds, 1 and the first broken entry when it does not.

    Heads from MLGOV_ANCHOR and --expect-head are what finds a chain that was cut off or hashed anew.
    """
    import json

    from bot.audit import anchor
    from workflows.audit import heads
    from workflows.audit.records import NotedRestoration
    from workflows.errors import GovernanceError

    kept = [_head(text) for text in expect_head or []]
    restorations: tuple[NotedRestoration, ...] = ()
    if place := settings().mlgov_anchor:
        try:
            known = anchor.read(place)
            kept += known.heads
            restorations = known.restorations
        except GovernanceError as error:
            raise fail(error.sentence) from None
    with opened() as database, database.read() as session:
        found = heads.verify(session, kept)
    if as_json:
        say(
            json.dumps(
                {
                    "holds": found.holds,
                    "entries": found.entries,
                    "head": found.hash,
                    "compared": found.compared,
                    "broken": found.broken,
                    "reason": found.reason,
                    "restorations": [
                        {
                            "entries": one.seq,
                            "known": one.known,
                            "at": one.at.isoformat(),
                        }
                        for one in restorations
                    ],
                }
            )
        )
    elif found.holds:
        outside = (
            f"{found.compared} published heads agree"
            if found.compared
            else "no published head to compare with"
        )
        say(
            f"The ledger holds: {found.entries} entries, head {found.entries}:{found.hash} ({outside})."
        )
        for one in restorations:
            lost = (
                f"entries {one.seq + 1:,} to {one.known:,} that were there before are not in it"
                if one.known > one.seq
                else "no entry that was known is missing in it"
            )
            say(
                f"A copy with {one.seq:,} entries was restored on {one.at:%a %d %b %Y, %H:%M} UTC: {lost}."
            )
        if not found.compared:
            say(
                "Give --expect-head or set MLGOV_ANCHOR: only a head kept elsewhere shows a chain that was cut or rewritten."
            )
    else:
        say(f"BROKEN at entry {found.broken}: {found.reason}.")
    if not found.holds:
        raise typer.Exit(1)


@app.command()
def head(as_json: Json = False) -> None:
    """Print the head: SEQ:HASH, to be kept elsewhere."""
    import json

    from storage import runtime
    from workflows.audit import heads

    with opened() as database, database.read() as session:
        found = heads.current(session, now=runtime.governed_now(session))
    if as_json:
        say(
            json.dumps(
                {"seq": found.seq, "hash": found.hash, "at": found.at.isoformat()}
            )
        )
    else:
        say(f"{found.seq}:{found.hash}")


def _head(text: str) -> tuple[int, str]:
    seq, _, digest = text.partition(":")
    if not seq.isdigit() or len(digest) != 64:
        raise fail(
            f"--expect-head {text}: a head is SEQ:HASH, as `mlgov audit head` prints it.",
            2,
        )
    return int(seq), digest.lower()
