"""How the ledger's head is told in the audit channel."""

from bot import blocks
from bot.rendering import Rendered, Scene
from workflows.audit.notices import LedgerHead
from workflows.audit.records import PublishedHead


def head(record: PublishedHead, notice: LedgerHead, scene: Scene) -> Rendered:
    """One line to compare with `mlgov audit verify --expect-head`."""
    why = (
        "daily"
        if notice.why.startswith("daily")
        else f"after the final decision on request #{notice.why.split(':')[-1]}"
    )
    text = f"Ledger head: {blocks.counted(record.seq, 'entry', 'entries')}, {record.seq}:{record.hash} ({why})"
    return Rendered(
        text,
        [
            blocks.section(
                f"*Ledger head after {blocks.counted(record.seq, 'entry', 'entries')}* · {blocks.when(record.at)} · {why}\n"
                f"`{record.seq}:{record.hash}`"
            ),
            blocks.context("Check it: `mlgov audit verify --expect-head SEQ:HASH`"),
        ],
        is_final=True,
    )
