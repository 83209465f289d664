"""mlgov's side of `digests`: every reader's digest, made and laid out for Slack, one after the other.

    python -m benchmarks.digests_ours DATABASE.db READERS OUT.json

OUT gets, by reader, what the digest says was spent, to be compared with the raw SQL, and the seconds without start-up.
"""

import json
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks import portfolio
from bot.approvals import windows as approval_views
from bot.digests import messages
from storage.db import Database
from tests.contexts import make_context
from workflows import policy
from workflows.digests import aggregates, service
from workflows.digests.records import ShownDigest
from workflows.people import service as people


def main() -> None:
    """Make them all."""
    path, readers, out = sys.argv[1:]
    database = Database(f"sqlite:///{path}")
    running = policy.parse(portfolio.POLICY).policy
    texts: dict[str, dict[str, str]] = {}
    began = time.perf_counter()
    for number in range(int(readers)):
        with database.read() as session:
            actor = people.actor(session, portfolio.reader(number))
            if actor is None:
                raise RuntimeError(f"reader {number} is not there")
            content = service.make_content(
                make_context(session, actor=actor, policy=running, now=portfolio.NOW),
                first_day=portfolio.FIRST_DAY,
                zone=ZoneInfo("UTC"),
            )
        messages.digest(ShownDigest(number + 1, content, ()), approval_views.digest_row)
        texts[actor.id] = {one["currency"]: one["spent"] for one in content.figures["money"]}
    took = time.perf_counter() - began
    Path(out).write_text(json.dumps({"seconds": took, "said": texts}), encoding="utf-8")
    database.close()


if __name__ == "__main__":
    _ = aggregates  # loaded before the clock starts, as in a process that makes digests
    main()
