"""Files that come with mlgov: beside the package when it is installed, at the top of the tree in a checkout."""

from pathlib import Path


def resource_path(name: str) -> Path:
    """Where `manifest.yml` or `governance.yml` of this release is."""
    here = Path(__file__).parent
    packaged = here / name
    return packaged if packaged.exists() else here.parent / name
