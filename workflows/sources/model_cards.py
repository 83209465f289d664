"""Model cards in Markdown, as teams keep them beside their models: headings are told to belong to one of nine sections.

Headings are those of Mitchell et al. (2019) and of the template that the Hugging Face Hub offers.
"""

import re

from markdown_it import MarkdownIt

from workflows.errors import InvalidInput

MOST_BYTES = 1_000_000
_WORDS: tuple[tuple[str, str], ...] = (
    (
        "details",
        r"model (details|description|summary|overview)|^overview$|technical specification",
    ),
    (
        "intended_use",
        r"intended use|^uses?$|direct use|downstream use|out.of.scope|how to (use|get started)",
    ),
    ("factors", r"^factors?\b|subgroups?|population"),
    ("caveats", r"caveats|recommendations|^limitations?\b"),
    ("ethics", r"ethic|bias|risks|fairness|environmental impact|privacy"),
    ("training_data", r"training (data|details|procedure)|^dataset"),
    ("evaluation_data", r"(evaluation|testing|test) data"),
    ("analyses", r"quantitative|^results?\b|performance|^evaluation$|benchmarks?"),
    ("metrics", r"metrics?"),
)
"""Section → words of a heading, the more certain first."""


def read(data: bytes, *, name: str = "The file") -> dict[str, str]:
    """Section → Markdown. Text under a heading that says nothing of the nine goes with the section above it.

    Raises InvalidInput for a file without any of them.
    """
    if len(data) > MOST_BYTES:
        raise InvalidInput(
            f"{name} is larger than a model card is ({MOST_BYTES:,} bytes).",
            field="file",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is not UTF-8 text.", field="file") from None
    lines = _without_front_matter(text).splitlines()
    held: dict[str, list[str]] = {}
    for title, body in _parts(lines):
        section = _section(title)
        if section is None and (not held or _is_blank("\n".join(body))):
            continue
        if section is None:
            section = next(reversed(held))
            body = [f"**{title}**", "", *body]
        elif section in held and any(one.strip() for one in body):
            body = [f"**{title}**", "", *body]
        held.setdefault(section, []).extend([*body, ""])
        held[section] = held.pop(section)
    found = {
        section: "\n".join(lines).strip()[:6000] for section, lines in held.items()
    }
    found = {
        section: text for section, text in found.items() if text and not _is_blank(text)
    }
    if not found:
        raise InvalidInput(
            f"{name} has none of a model card's headings, like “Intended use” or “Training data”.",
            field="file",
        )
    return found


def _without_front_matter(text: str) -> str:
    match = re.match(r"\A---\s*\n.*?\n---\s*(\n|\Z)", text, re.DOTALL)
    return text[match.end() :] if match else text


def _parts(lines: list[str]) -> list[tuple[str, list[str]]]:
    """(heading, lines under it) in order; what stands before the first heading is left out."""
    tokens = MarkdownIt("commonmark").parse("\n".join(lines))
    heads = [
        (token.map[0], token.map[1], tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.map is not None and token.level == 0
    ]
    ends = [*(start for start, _, _ in heads[1:]), len(lines)][: len(heads)]
    return [
        (title.strip(), lines[after:end])
        for (_, after, title), end in zip(heads, ends, strict=True)
    ]


def _section(title: str) -> str | None:
    plain = re.sub(r"[*_`#]", "", title).strip().casefold()
    return next((section for section, words in _WORDS if re.search(words, plain)), None)


def _is_blank(text: str) -> bool:
    """A template that nobody filled in: `[More Information Needed]`, headings and comments alone."""
    bare = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    bare = re.sub(
        r"\[?more information needed\]?|\*missing: nobody said this yet\.\*|\*\*[^*\n]*\*\*",
        "",
        bare,
        flags=re.IGNORECASE,
    )
    return not re.sub(r"[\s\-*:.]", "", bare)
