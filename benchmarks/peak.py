"""Runs one command in this process and writes its time and peak memory to a file.

    python -m benchmarks.peak OUT.json mlgov import costs bill.csv
    python -m benchmarks.peak OUT.json benchmarks.duckdb_alone bill.csv costs.db

A process of its own, since a child inherits the peak of the process that started it.
"""

import sys
import time
from pathlib import Path


def megabytes() -> float:
    """The most memory this process has held, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main() -> None:
    """Run what the arguments say and leave with its exit code."""
    out, what, *arguments = sys.argv[1:]
    sys.argv = [what, *arguments]
    code: object = 0
    began, spent = time.perf_counter(), time.process_time()
    try:
        if what == "mlgov":
            from bot.cli.main import main as run

            run()
        elif what == "-c":
            exec(arguments[0], {"__name__": "__main__"})
        else:
            import runpy

            runpy.run_module(what, run_name="__main__")
    except SystemExit as end:
        code = end.code
    finally:
        seconds, cpu = time.perf_counter() - began, time.process_time() - spent
        import json

        Path(out).write_text(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": megabytes()}))
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
