"""`mlgov organisation`: whose the database is, and moving it into the Enterprise Grid that its workspace joined."""

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import Json, connect_slack, fail, open_database, say, say_json

if TYPE_CHECKING:
    from workflows.people.organisation import Plan

app = typer.Typer(
    help="Show whose this database is, or move it into the Enterprise Grid that its workspace joined.",
    invoke_without_command=True,
)


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show whose this database is, or move it into the Enterprise Grid that its workspace joined."""
    if context.invoked_subcommand is not None:
        return
    from workflows.people import organisation

    with open_database() as database, database.read() as session:
        here = organisation.find_organisation(session)
        behind = organisation.count_left_behind(session, here) if here else 0
    if as_json:
        output = {
            "organisation": here.org_key if here else None,
            "before": list(here.was) if here else [],
            "left_behind": behind,
        }
        say_json(output, ensure_ascii=True)
        return
    if here is None:
        say("This database has met no organisation yet: `mlgov run` introduces it.")
        return
    what = "the Enterprise Grid" if here.org_key.startswith("E") else "the workspace"
    before = f"; before, {', '.join(here.was)}" if here.was else ""
    say(f"This database governs {what} {here.org_key}{before}.")
    if behind:
        say(
            f"{_count_people(behind)} still {'stands' if behind == 1 else 'stand'} under {here.team_id}, as before it joined the "
            "Grid. `mlgov organisation move --dry-run` says what it would take to bring them over."
        )


@app.command()
def move(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    leave_unknown: Annotated[
        bool,
        typer.Option(
            "--leave-unknown",
            help="Move without active members whom Slack doesn't know in the Grid; they count as having left.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Carry everybody over to the Enterprise Grid that the workspace joined: they stay who they are. Stop mlgov first."""
    from bot.organisation import Mover
    from workflows.people.organisation import unmapped_words

    _, slack, team = connect_slack()
    with open_database() as database:
        mover = Mover(database, slack, team)
        plan = mover.plan()
        for line in _describe_plan(plan):
            say(line)
        if plan.unmapped and not leave_unknown:
            if not dry_run:
                raise fail(unmapped_words(plan.unmapped))
            say(unmapped_words(plan.unmapped))
        if dry_run:
            say("Nothing was changed.")
            return
        if not yes and not typer.confirm(
            f"Move {plan.was} to {plan.now}? mlgov has to be stopped meanwhile.", err=True
        ):
            raise fail("Nothing was moved.")
        done = mover.move(leaves=leave_unknown)
    say(
        f"{done.was} is {done.now} now: {_count_people(len(done.ids))} stayed who they were. Start mlgov; it reads Slack anew first."
    )


def _count_people(count: int) -> str:
    from workflows.wording import counted

    return counted(count, "person", "people")


def _describe_plan(plan: "Plan") -> list[str]:
    from workflows.wording import counted

    stay = "stays" if len(plan.ids) == 1 else "stay"
    lines = [
        f"{plan.was} → {plan.now}: {_count_people(len(plan.ids))} would be called by the Grid's ids, and {stay} who they are: what "
        "they asked, decided and own stays theirs."
    ]
    if plan.joined:
        lines.append(
            f"{counted(plan.joined, 'entry', 'entries')} would become one with another: Slack says that they're the same person."
        )
    if plan.kept:
        lines.append(
            f"Slack doesn't know {counted(plan.kept, 'leaver or bot', 'leavers and bots')} in the Grid; they keep the ids "
            "that they have."
        )
    if plan.unmapped:
        listed = ", ".join(plan.unmapped[:20])
        more = f" and {len(plan.unmapped) - 20} more" if plan.unmapped[20:] else ""
        lines.append(f"Slack doesn't know these active members in the Grid: {listed}{more}.")
    if plan.others:
        lines.append(
            f"{counted(plan.others, 'entry', 'entries')} of files and programs, who aren't in Slack, would come along."
        )
    lines.append(
        f"{counted(plan.groups, 'user group')} and {counted(plan.channels, 'channel')} would be read anew. "
        f"{counted(plan.waiting, 'request')} that {'waits goes' if plan.waiting == 1 else 'wait go'} on."
    )
    if plan.erased:
        lines.append(
            f"{_count_people(plan.erased)} who {'was' if plan.erased == 1 else 'were'} erased would be known by the Grid's ids, too, "
            "and stay away."
        )
    if plan.erased_unknown:
        lines.append(
            f"Slack doesn't list {_count_people(plan.erased_unknown)} who {'was' if plan.erased_unknown == 1 else 'were'} erased. "
            "They stay away as long as Slack calls them by the id or the address that they had; whoever it calls by another "
            "id comes back as somebody new."
        )
    return lines
