"""What a clock that jumps by hours does to the pace."""

from datetime import timedelta

from sqlalchemy.orm import Session

from storage.db import Database
from storage.delivery import claims
from workflows import clock
from workflows.delivery import pace

KEY = "T0ACME:chat.update"


def test_after_hours_without_a_call_the_whole_burst_is_there(database: Database) -> None:
    minute = timedelta(minutes=1)

    def waits(session: Session) -> bool:
        now = clock.real_now(session)
        found = claims.take(session, KEY, real_now=now, interval=minute, tolerance=minute)
        return found > timedelta(0)

    with database.begin() as session:
        claims.make(session, [KEY], clock.real_now(session) - minute)
        assert [waits(session) for _ in range(3)] == [False, False, True]
        pace.rest(session)
        assert [waits(session) for _ in range(3)] == [False, False, True]
