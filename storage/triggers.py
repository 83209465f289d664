"""Triggers that keep the ledger append-only on both databases.

They stop mistakes and simple tampering; who can alter the schema can drop them, which the hash chain and published heads
then show. A migration that rebuilds the table drops them, on SQLite without a word, and has to create them again.
"""

from sqlalchemy import Connection, text

_SQLITE = [
    "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head "
    "BEGIN SELECT RAISE(ABORT, 'the head of the ledger stays'); END",
]

_POSTGRESQL = [
    "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
    "BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
    "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry "
    "FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry "
    "FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head "
    "FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    "CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
]


def create(connection: Connection) -> None:
    """Make the triggers of this connection's database."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.execute(text(statement))


def list_faults(connection: Connection) -> list[str]:
    """What is wrong with the triggers ("… is missing", "… was changed", "… is switched off"); empty when all are right.

    Compares their text, so that one which was replaced by another of the same name is found.
    """
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        stands = {name: sql for name, sql in connection.execute(text(query))}
        ours = {_name(each): each for each in _SQLITE}
        wrong = {
            name: "was changed"
            for name, sql in ours.items()
            if name in stands and _plain(stands[name]) != _plain(sql)
        }
    else:
        query = (
            "SELECT t.tgname, t.tgenabled, c.relname || ' ' || p.prosrc, t.tgtype FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE NOT t.tgisinternal AND n.nspname = current_schema()"
        )
        rows = {row[0]: row for row in connection.execute(text(query))}
        stands = {name: row[0] for name, row in rows.items()}
        ours = {_name(each): each for each in _POSTGRESQL if _name(each)}
        wrong = {}
        for name, statement in ours.items():
            if name not in rows:
                continue
            _, enabled, body, kind = rows[name]
            if isinstance(enabled, bytes):
                enabled = enabled.decode()
            table = statement.split(" ON ")[1].split()[0]
            is_ours = _plain(body) == _plain(f"{table} {_RAISES}")
            if enabled not in (
                "O",
                "A",
            ):  # `tgenabled`: fires in origin mode or always; D is disabled, R replica only
                wrong[name] = "is switched off"
            elif not is_ours or kind != _kind(statement):
                wrong[name] = "was changed"
    missing = {name: "is missing" for name in ours if name not in stands}
    return [f"{name} {why}" for name, why in sorted((wrong | missing).items())]


def restore(connection: Connection) -> list[str]:
    """Create all triggers anew when any is missing, switched off or changed; what was wrong, as `list_faults` says it."""
    wrong = list_faults(connection)
    statements = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    if wrong:
        for statement in statements:
            if name := _name(statement):
                table = statement.split(" ON ")[1].split()[0]
                on = "" if connection.dialect.name == "sqlite" else f" ON {table}"
                connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{on}"))
        create(connection)
    return wrong


def _name(statement: str) -> str:
    return statement.split()[2] if statement.startswith("CREATE TRIGGER") else ""


def _plain(sql: str) -> str:
    return " ".join(sql.split())


_RAISES = "BEGIN RAISE EXCEPTION 'the ledger is append-only'; END"
_ROW, _BEFORE, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 8, 16, 32
"""Bits of `pg_trigger.tgtype` (PostgreSQL's catalog/pg_trigger.h)."""


def _kind(statement: str) -> int:
    verb = statement.split(" BEFORE ")[1].split(maxsplit=1)[0]
    bit = {"UPDATE": _UPDATE, "DELETE": _DELETE, "TRUNCATE": _TRUNCATE}[verb]
    return _BEFORE | bit | (_ROW if "FOR EACH ROW" in statement else 0)


def list_names(connection: Connection) -> set[str]:
    """The names of all triggers of this database."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    return set(connection.execute(text(query)).scalars())


def list_expected(dialect: str) -> set[str]:
    """The names of the triggers that a database of this dialect must have."""
    statements = _SQLITE if dialect == "sqlite" else _POSTGRESQL
    return {s.split()[2] for s in statements if s.startswith("CREATE TRIGGER")}
