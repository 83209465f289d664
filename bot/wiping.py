"""After an erasure: nothing of it stays in the database's files, and who operates mlgov hears what stays elsewhere."""

from pathlib import Path

from storage import backup
from storage.db import Database
from storage.people.columns import EMPTIED, SWEPT


def list_statements() -> str:
    """What PostgreSQL has to run so that its files hold no old version of a row that named or quoted somebody.

    The statistics of a table quote some of its values.
    """
    tables = sorted({name.partition(".")[0] for name in EMPTIED | SWEPT})
    return f"VACUUM (FULL, ANALYZE) {', '.join(tables)}; VACUUM (FULL) pg_statistic; CHECKPOINT;"


def wipe(database: Database) -> list[str]:
    """Write a SQLite file anew and empty its log; what is left to do, in sentences. Call it outside any transaction.

    SQLite overwrites what is deleted (`secure_delete`), and yet leaves copies behind where it moved rows to another
    page before: only writing the file anew is sure.
    """
    if not database.is_sqlite:
        return [
            "PostgreSQL keeps old versions of rows until they are vacuumed. Run these at a quiet hour, each on its own; "
            "docs/erasure.md tells what stays in WAL archives, standbys and backups:",
            list_statements(),
        ]
    name = database.url.database
    if not name or name.startswith((":memory:", "file:")):
        return []
    path, left = Path(name), []
    fault = backup.compact(path)
    if fault is not None:
        left.append(
            f"{path} couldn't be written anew ({fault}), so pages of it, or {path.name}-wal, may still hold what was erased. "
            "Stop mlgov and run `mlgov people wipe`."
        )
    if asides := backup.list_asides(path):
        left.append(
            f"{', '.join(str(one) for one in asides)} {'is' if len(asides) == 1 else 'are'} from before and still "
            f"{'holds' if len(asides) == 1 else 'hold'} them: remove {'it' if len(asides) == 1 else 'them'}."
        )
    left.append(
        "Backups from before still hold them until you delete those; a restore erases them again where MLGOV_ANCHOR is set."
    )
    return left
