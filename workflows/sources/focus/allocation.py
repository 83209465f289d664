"""How the tags of an allocation key are written, so that equal tags are equal text."""

import json
from collections.abc import Sequence


def tags_text(keys: Sequence[str], values: Sequence[str]) -> str:
    """Canonical JSON: keys sorted, no blanks, characters as they are; tags that a row lacks are left out."""
    tags = {key: value for key, value in zip(keys, values, strict=True) if value}
    return json.dumps(tags, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
