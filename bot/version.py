"""Which mlgov this is: asked of what is installed, in one place."""

import platform
from functools import cache
from importlib import metadata

from storage import migrate


@cache
def version() -> str:
    """The installed release, as packaging knows it; `0+unknown` where it runs from files that nobody installed."""
    try:
        return metadata.version("mlgov")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def build() -> dict[str, str]:
    """The release, the newest revision of the database that it knows, and the Python that it runs on."""
    return {
        "version": version(),
        "revision": migrate.newest_revision(),
        "python": platform.python_version(),
    }


def describe_version() -> str:
    """The same in a line."""
    return "mlgov {version} (database revision {revision}, Python {python})".format(**build())
