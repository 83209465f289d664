"""Which rows this transaction has locked, so that sealing them does not ask for the same locks again."""

from sqlalchemy.orm import Session

_LOCKED = "locked"


def hold(session: Session, kind: str, id_: str | int) -> None:
    """This row is locked until the transaction ends. Never say it inside a savepoint: undoing that lets go of the lock."""
    if not session.in_nested_transaction():
        session.info.setdefault(_LOCKED, set()).add((kind, str(id_)))


def is_held(session: Session, kind: str, id_: str | int) -> bool:
    """Whether that was said of this row."""
    return (kind, str(id_)) in session.info.get(_LOCKED, ())
