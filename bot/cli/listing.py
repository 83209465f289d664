"""How a group lists its commands: the first sentence of each as a whole, where Click would cut it."""

import typer
from typer.core import TyperGroup

_LONGER_THAN_ANY = 10_000


class WholeSentences(TyperGroup):
    """A group whose `--help` cuts nothing off."""

    def format_commands(self, ctx, formatter) -> None:  # type: ignore[no-untyped-def]
        """List the commands, each with its first sentence; a long one goes on in the next line."""
        rows = [
            (name, command.get_short_help_str(_LONGER_THAN_ANY))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def list_whole_sentences(app: typer.Typer) -> None:
    """Let this group, and those below it, list their commands like that."""
    app.info.cls = WholeSentences
    for group in app.registered_groups:
        if group.typer_instance is not None:
            list_whole_sentences(group.typer_instance)
