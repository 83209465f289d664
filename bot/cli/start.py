"""Where `mlgov` begins: loading the commands takes a moment, and what goes wrong in it is a sentence, too."""

import sys

from bot.cli import base


def main() -> None:
    """Run the command that was typed."""
    sys.exit(base.run_guarded(_run))


def _run() -> None:
    from bot.cli.main import app

    app()


if __name__ == "__main__":
    main()
