"""Jinja as all pages use it: everything is escaped, an unknown name is a mistake, and foreign text is made harmless."""

import json
import re
from functools import lru_cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

from bot.slack import blocks

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!])")


@lru_cache(maxsize=8)
def environment(package: str) -> Environment:
    """Templates of a package, which extend `base.html.j2` of this one."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("bot.documents", ".")]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["clean"] = blocks.clean
    templates.filters["markdown"] = markdown
    templates.filters["plain"] = plain
    templates.filters["text"] = lambda value: blocks.clean(str(value))
    templates.filters["lines"] = blocks.clean_lines
    templates.filters["words"] = lambda value: str(value).replace("_", " ")
    templates.filters["moment"] = lambda at: f"{at:%d %b %Y %H:%M} UTC" if at else ""
    templates.filters["number"] = lambda value: f"{value.normalize():f}"
    templates.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    return templates


def plain(text: str) -> str:
    """Foreign text as Markdown that means only itself, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(blocks.clean(text).split()))


def markdown(text: str) -> Markup:
    """Foreign Markdown as HTML: no HTML of its own, no pictures that would be loaded, links only to the web."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    # markdown-it escapes all text and refuses script links itself
    return Markup(reader.render(blocks.clean_lines(text)))  # noqa: S704
