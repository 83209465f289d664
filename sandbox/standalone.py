"""`python -m sandbox`: the stand-in for any bot, with files that say who is there or without."""

import signal
import threading
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import yaml

from sandbox import example
from sandbox.clock import GovernedClock
from sandbox.server import Sandbox
from sandbox.world import World

DEFAULT_PEOPLE = 3


def main() -> None:
    """Run the command line."""
    typer.run(run)


def run(
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="the app's manifest, YAML or JSON; an app that may do everything if none"
        ),
    ] = None,
    org: Annotated[
        Path | None, typer.Option(help="people and channels, YAML or JSON; a company if none")
    ] = None,
    people: Annotated[
        int | None,
        typer.Option(
            help=f"how many people that company has, up to {example.MOST_PEOPLE:,}; {DEFAULT_PEOPLE} if not given"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen at; 0 takes a free one")] = 8765,
    deliver_to: Annotated[
        str | None, typer.Option(help="the app's request URL; none means Socket Mode")
    ] = None,
    at: Annotated[str | None, typer.Option(help="start the governed clock here (ISO 8601)")] = None,
    limits: Annotated[bool, typer.Option(help="keep Slack's rate limits")] = True,
    bot_token: Annotated[str | None, typer.Option(help="made up when not given")] = None,
    app_token: Annotated[str | None, typer.Option(help="made up when not given")] = None,
    signing_secret: Annotated[str | None, typer.Option(help="made up when not given")] = None,
) -> None:
    """A local stand-in for Slack, for the app of this manifest or for any."""
    try:
        app_manifest = _read(manifest) if manifest else example.MANIFEST
        world = World.from_dict(_organisation(org, people, app_manifest), _clock(at))
        sandbox = Sandbox(
            world,
            app_manifest,
            host=host,
            port=port,
            limits=limits,
            bot_token=bot_token,
            app_token=app_token,
            signing_secret=signing_secret,
        )
        sandbox.start()
    except (ValueError, OSError) as error:
        typer.echo(f"The sandbox did not start: {error}", err=True)
        raise typer.Exit(2) from None
    sandbox.deliver_to(deliver_to)
    asked = _heard()  # before anybody is told that it runs, and may stop it
    present = sum(not user.is_bot and not user.deleted for user in world.users.values())
    size = f"{present:,} people and {len(world.channels):,} channels"
    typer.echo(f"A stand-in for Slack with {size} is at {sandbox.url}. Give your app:")
    for name, value in sandbox.environment().items():
        typer.echo(f"export {name}={value}")
    typer.echo("Stop it with Ctrl+C.")
    asked.wait()
    sandbox.stop()


def _organisation(org: Path | None, people: int | None, manifest: dict[str, Any]) -> dict[str, Any]:
    """What the world is made of: the file's, or a company of this size."""
    if org is not None:
        if people is not None:
            raise ValueError("give --org or --people, not both")
        return _read(org)
    described = manifest.get("display_information")
    name = described.get("name") if isinstance(described, dict) else None
    return example.company(DEFAULT_PEOPLE if people is None else people, str(name or "app"))


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is neither YAML nor JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected keys and values")
    return data


def _clock(at: str | None) -> GovernedClock:
    return GovernedClock(datetime.fromisoformat(at) if at else None)


def _heard() -> threading.Event:
    """Set by Ctrl+C or a polite kill."""
    asked = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        asked.set()

    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, stop)
    return asked
