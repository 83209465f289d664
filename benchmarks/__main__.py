"""`python -m benchmarks [name …] [--small]`: runs them one after the other and prints their ratios."""

import argparse
import importlib
import sys
import time

NAMES = (
    "start",
    "mirror",
    "clicks",
    "replicas",
    "card",
    "delivery",
    "costs",
    "ticking",
    "status",
    "inventory",
    "funding",
    "digests",
    "standing",
)


def main() -> int:
    """Run what was asked for; 1 when an aim was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--small", action="store_true", help="tiny sizes: shows that they run")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in NAMES]:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    missed = 0
    for name in asked.names or NAMES:
        began = time.perf_counter()
        report = importlib.import_module(f"benchmarks.{name}").run(small=asked.small)
        report.notes.append(f"{time.perf_counter() - began:.0f} s in all")
        report.show()
        report.save(small=asked.small)
        missed += sum(ratio.is_met is False for ratio in report.ratios)
    return 1 if missed and not asked.small else 0


if __name__ == "__main__":
    sys.exit(main())
