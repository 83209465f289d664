"""Model cards in Markdown, as teams keep them beside their models: headings are told to belong to one of nine sections.

Headings are those of Mitchell et al. (2019) and of the template that the Hugging Face Hub offers.
"""

import re

from markdown_it import MarkdownIt

from workflows.errors import InvalidInput

MOST_BYTES = 1_000_000
MOST_OF_SECTION = 6_000
_WORDS: tuple[tuple[str, str], ...] = (
    ("details", r"model (details|description|summary|overview)|^overview$|technical specification"),
    (
        "intended_use",
        r"intended use|^((model|evaluated|primary|suitable) )?uses?$|direct use|downstream use|out.of.scope|how to (use|get started)",
    ),
    ("factors", r"^factors?\b|subgroups?|population"),
    ("caveats", r"caveats?|recommendations|^(known |model )?limitations?\b"),
    ("ethics", r"ethic|bias|risks|fairness|environmental impact|privacy"),
    ("training_data", r"training (data|details|procedure)|^dataset"),
    ("evaluation_data", r"(evaluation|testing|test) data"),
    (
        "analyses",
        r"quantitative|^(evaluation |test |main |key )?results?\b|performance|^(model )?evaluations?$|benchmarks?",
    ),
    ("metrics", r"metrics?"),
)
"""Section → words of a heading, the more certain first."""


FIRST = "details"
"""Where text goes that stands before the first section."""


def read(data: bytes, *, name: str = "The file") -> dict[str, str]:
    """Section → Markdown. Text under a heading that says nothing of the nine goes with the section above it, or with

    the details where none is above. Headings may be Markdown or HTML, numbered and decorated.

    Raises InvalidInput for a file without any of them.
    """
    if len(data) > MOST_BYTES:
        raise InvalidInput(
            f"{name} is larger than a model card is ({MOST_BYTES:,} bytes).", field="file"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is not UTF-8 text.", field="file") from None
    lines = _with_markdown_headings(_without_front_matter(text)).splitlines()
    bodies: dict[str, list[str]] = {}
    named = 0
    for title, body in _list_parts(lines):
        section = _find_section(title)
        if section is None and _is_blank("\n".join(body)):
            continue
        named += section is not None
        if section is None:
            section = next(reversed(bodies), FIRST)
            body = [f"**{title}**", "", *body] if title else body
        elif section in bodies and any(one.strip() for one in body):
            body = [f"**{title}**", "", *body]
        bodies.setdefault(section, []).extend([*body, ""])
        bodies[section] = bodies.pop(section)
    sections = {
        section: _cut(re.sub(r"(\s*^---+[ \t]*$)+\s*\Z", "", "\n".join(lines), flags=re.M))
        for section, lines in bodies.items()
    }
    sections = {section: text for section, text in sections.items() if text and not _is_blank(text)}
    if not named or not sections:
        raise InvalidInput(
            f"{name} has none of a model card's headings, like “Intended use” or “Training data”.",
            field="file",
        )
    return sections


def _cut(text: str) -> str:
    """A section that fits; what is left out is said in it."""
    text = text.strip()
    if len(text) <= MOST_OF_SECTION:
        return text
    kept = text[: MOST_OF_SECTION - 80].rstrip()
    return f"{kept}\n\n*… {len(text) - len(kept):,} characters more are in the file.*"


def _without_front_matter(text: str) -> str:
    match = re.match(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|\Z)", text, re.DOTALL)
    # A rule at the top, with text and another rule further down, is no front matter.
    return text[match.end() :] if match and _is_front_matter(match[1]) else text


def _is_front_matter(text: str) -> bool:
    """Whether it is `key: value` lines, their lists and comments, and no Markdown."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not re.match(r"[\w.-]+\s*:|#", lines[0]):
        return not lines
    return not any(re.match(r"#{2,6}\s|\*\*|<h\d", line) for line in lines)


_HTML_HEADING = re.compile(
    r"^[ \t]*(?:<(?:div|center|p|a)\b[^>\n]*>\s*)*<h([1-6])\b[^>\n]*>(.*?)</h\1>[ \t]*(?:</(?:div|center|p|a)>\s*)*$",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)


def _with_markdown_headings(text: str) -> str:
    """HTML headings, and lines that are bold and nothing else but a section's name, as headings of Markdown."""

    def of_html(match: re.Match[str]) -> str:
        title = " ".join(re.sub(r"<[^>]*>", " ", match[2]).split())
        return f"\n{'#' * int(match[1])} {title}\n"

    def of_bold(match: re.Match[str]) -> str:
        is_known = _find_section(match[2]) is not None and len(match[2].split()) <= 5
        return f"\n## {match[2]}\n" if is_known else match[0]

    # what is quoted as code stays as it is
    parts = re.split(r"(^```.*?^```|^~~~.*?^~~~)", text, flags=re.DOTALL | re.MULTILINE)
    for place in range(0, len(parts), 2):
        marked = _HTML_HEADING.sub(of_html, parts[place])
        parts[place] = re.sub(
            r"^(\*\*|__)([^*_\n]{3,60}?):?\1:?[ \t]*$", of_bold, marked, flags=re.MULTILINE
        )
    return "".join(parts)


def _list_parts(lines: list[str]) -> list[tuple[str, list[str]]]:
    """(heading, lines under it) in order; what stands before the first heading has an empty one."""
    tokens = MarkdownIt("commonmark").parse("\n".join(lines))
    heads = [
        (token.map[0], token.map[1], tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.map is not None and token.level == 0
    ]
    ends = [*(start for start, _, _ in heads[1:]), len(lines)][: len(heads)]
    before = lines[: heads[0][0]] if heads else lines
    return [("", before)] + [
        (title.strip(), lines[after:end])
        for (_, after, title), end in zip(heads, ends, strict=True)
    ]


def _find_section(title: str) -> str | None:
    plain = re.sub(r"<[^>]*>|!?\[([^\]]*)\]\([^)]*\)", r"\1 ", title)
    plain = re.sub(r"[*_`#]", "", plain)
    # numbers, emoji and other marks before the words: `1.2) Results`, `IV. Results`, `📊 Results`
    plain = re.sub(r"^[\W\d_]*(?:[ivx]+[.):]\s+|[a-h][.)]\s+)?\W*", "", plain.strip().casefold())
    plain = re.sub(r"[\s:.]+$", "", " ".join(plain.split()))
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
