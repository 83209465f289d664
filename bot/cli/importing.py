"""`mlgov import`: people, projects, budgets, milestones, models and business cases from tables, cost from FOCUS files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.base import fail, find_org_key, is_terminal, load_policy_text, open_database, say

app = typer.Typer(
    help="Bring in people, projects, budgets, milestones, models, business cases, returns and cost.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(help="A CSV or XLSX file.", show_default=False)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change and write nothing.")
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="theirs=ours: their heading stands for our field. Remembered for the next time.",
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Write the good rows although others are bad.")
]


@app.command()
def people(
    file: File, dry_run: DryRun = False, map_: Map = None, skip_bad_rows: SkipBad = False
) -> None:
    """People: Slack id or e-mail, line manager, business unit, persona, country."""
    _import("people", file, dry_run, map_, skip_bad_rows)


@app.command()
def projects(
    file: File, dry_run: DryRun = False, map_: Map = None, skip_bad_rows: SkipBad = False
) -> None:
    """Projects: key, name, owner, sponsor, manager, business unit, category, status, channel, accounts (a; b)."""
    _import("projects", file, dry_run, map_, skip_bad_rows)


@app.command()
def budgets(
    file: File,
    dry_run: DryRun = False,
    map_: Map = None,
    skip_bad_rows: SkipBad = False,
    amounts_are_meant: Annotated[
        bool,
        typer.Option(
            "--amounts-are-meant",
            help="Take amounts of three times the present one or more, or below what is spent already, as they are.",
        ),
    ] = False,
) -> None:
    """Budgets: project, period, starts, amount, currency, basis, owner, thresholds."""
    _import("budgets", file, dry_run, map_, skip_bad_rows, are_meant=amounts_are_meant)


@app.command()
def milestones(
    file: Annotated[
        Path, typer.Argument(help="A CSV, XLSX or GitHub JSON file.", show_default=False)
    ],
    dry_run: DryRun = False,
    map_: Map = None,
    skip_bad_rows: SkipBad = False,
    project: Annotated[
        str | None,
        typer.Option(
            help="Whose the milestones in GitHub JSON are; by default the project with the repository's name as its key."
        ),
    ] = None,
    list_to: Annotated[
        str | None,
        typer.Option(
            "--list-to",
            help="Slack id or e-mail of whom those that are overdue already are shown to; by default each project's manager.",
        ),
    ] = None,
) -> None:
    """Milestones: project, title, type, owner, baseline, forecast, actual, needs; or GitHub's webhooks and lists."""
    key = project.strip().casefold() if project else None
    _import("milestones", file, dry_run, map_, skip_bad_rows, project=key, list_to=list_to)


@app.command()
def models(
    file: File, dry_run: DryRun = False, map_: Map = None, skip_bad_rows: SkipBad = False
) -> None:
    """Models: key, name, kind, vendor, project, owner, purpose, technique, data sources, upstream (a; b), exposure, purpose class, EU class."""
    _import("models", file, dry_run, map_, skip_bad_rows)


@app.command()
def cases(
    file: File, dry_run: DryRun = False, map_: Map = None, skip_bad_rows: SkipBad = False
) -> None:
    """Business cases: project, starts, months, currency, benefits and costs a month (low / likely / high), confidence, feasibility, tier, metric, baseline, target."""
    _import("cases", file, dry_run, map_, skip_bad_rows)


@app.command()
def returns(
    file: File, dry_run: DryRun = False, map_: Map = None, skip_bad_rows: SkipBad = False
) -> None:
    """Returns: project, starts, ends, amount, currency. A row of the same days as before corrects what stands there."""
    _import("returns", file, dry_run, map_, skip_bad_rows)


def _import(
    kind: str, file: Path, dry_run: bool, map_: list[str] | None, skip_bad_rows: bool, **more: Any
) -> None:
    from bot import failpoints
    from bot.cli.base import counting
    from workflows import imports

    mappings = dict(_mapping(item) for item in map_ or [])
    request = imports.Request(kind, file, mappings, dry_run, skip_bad_rows, **more)
    policy = load_policy_text().policy
    with open_database(create=True) as database, counting(is_terminal()) as progress:
        report = imports.run(
            database,
            request,
            policy=policy,
            org_key=find_org_key(database),
            progress=progress,
            probe=failpoints.hit,
        )
    for line in imports.lines(report):
        say(line)
    if report.refused:
        raise typer.Exit(1)


def _mapping(item: str) -> tuple[str, str]:
    theirs, equals, ours = item.rpartition("=")
    if not equals or not theirs.strip() or not ours.strip():
        raise fail(f"--map {item}: write theirs=ours, like --map 'Cost centre=business_unit'.", 2)
    return theirs.strip(), ours.strip()


@app.command()
def costs(
    files: Annotated[
        list[Path], typer.Argument(help="FOCUS files (CSV, gzip, Parquet) or folders of them.")
    ],
    dry_run: DryRun = False,
    source: Annotated[
        str | None,
        typer.Option(
            help="A name for where this bill comes from; by default provider and billing account."
        ),
    ] = None,
    replace_period: Annotated[
        bool,
        typer.Option(
            "--replace-period", help="Accept a load that drops much of what a period held."
        ),
    ] = False,
    skip_bad_rows: SkipBad = False,
    separate: Annotated[
        bool,
        typer.Option(
            "--separate",
            help="Count what looks like the same bill twice: files, or sources, that hold different costs.",
        ),
    ] = False,
    instead_of: Annotated[
        list[str] | None,
        typer.Option(
            "--instead-of",
            help="A source whose place this load takes: its months that the load brings are dropped.",
        ),
    ] = None,
) -> None:
    """Cost: FOCUS 1.0 to 1.4. The same content again changes nothing; a changed period is replaced exactly."""
    from bot import failpoints
    from bot.budgets.cli import report_lines
    from bot.cli.base import reading
    from workflows import clock
    from workflows.budgets import cost_loading
    from workflows.budgets import imports as budget_imports
    from workflows.budgets.cost_loading import Choice
    from workflows.context import OPERATOR, Occasion
    from workflows.errors import GovernanceError
    from workflows.sources import focus

    policy = load_policy_text().policy
    options = focus.ReadOptions(tag_keys=policy.costs.tag_keys, source=source, separate=separate)
    with open_database(create=True) as database:
        key = find_org_key(database)
        try:
            with reading(is_terminal()) as progress:
                read = focus.read(files, options=options, progress=progress)
        except GovernanceError as error:
            raise fail(error.sentence) from None
        with read:
            with database.read() as session:
                occasion = Occasion(policy, key, clock.now(session), actor=OPERATOR)
            try:
                report = budget_imports.take_costs(
                    database,
                    occasion,
                    read,
                    replace_period=replace_period,
                    skip_bad_rows=skip_bad_rows,
                    dry_run=dry_run,
                    answer=Choice(separate, tuple(instead_of or ())),
                    probe=failpoints.hit,
                )
            except GovernanceError as error:
                raise fail(error.sentence) from None
        if not dry_run:
            cost_loading.remove_for(database, probe=failpoints.hit)
    for line in report_lines(report):
        say(line)
    if report.refused:
        raise typer.Exit(1)
