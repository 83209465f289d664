"""Model cards and approval packs as pages that stand alone, and cards as Markdown to keep beside a model."""

import hashlib
import re
from datetime import date

from markupsafe import Markup

from bot.documents import templates
from bot.inventory import words
from storage.enums import ModelState
from workflows.inventory.evidence import Card
from workflows.packs.records import Pack


def card_html(card: Card, *, organisation: str, today: date) -> str:
    """The card as one file of HTML."""
    page = templates.environment("bot.inventory").get_template("card.html.j2")
    return page.render(card=card, organisation=organisation, day=f"{today:%d %B %Y}")


def card_markdown(card: Card, *, organisation: str, today: date) -> str:
    """The card as Markdown, with the headings of the nine sections."""
    page = templates.environment("bot.inventory").get_template("card.md.j2")
    text = page.render(card=card, organisation=organisation, day=f"{today:%d %B %Y}")
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def pack_html(pack: Pack) -> str:
    """The pack as one file of HTML, which holds its JSON as data."""
    # `<` is the only sign by which text in a script element could end it
    data = pack.model_dump_json().replace("<", "\\u003c")
    page = templates.environment("bot.inventory").get_template("pack.html.j2")
    return page.render(
        pack=pack,
        stands=words.STANDS[ModelState(pack.subject.state)],
        short=_list_facts(pack),
        digest=hashlib.sha256(data.encode()).hexdigest(),
        json=Markup(data),  # noqa: S704
    )


def _list_facts(pack: Pack) -> list[str]:
    """What an auditor reads first: who made, validated and approved it, on what, and what is wrong."""
    subject = pack.subject
    lines = [
        f"Developed by {', '.join(subject.developers) or 'nobody named'}; validated by {', '.join(subject.validators) or 'nobody yet'}; owned by {subject.owner or 'nobody'}."
    ]
    decided = [one for one in pack.requests if one.state == "approved"]
    if decided:
        last = decided[-1]
        voters = [
            one.by for one in last.votes if one.verdict == "approve" and not one.taken_back_at
        ]
        by = ", ".join(voters) if voters else f"rule ({last.passed_by_rule})"
        lines.append(f"Approved by {by} (request #{last.id}), under policy version {last.policy}.")
    else:
        lines.append("Nobody approved it.")
    lines.append(f"Its contents are {subject.contents}.")
    waived = [one.name for one in pack.evidence if one.status == "waived" and one.counts]
    if waived:
        lines.append(f"Waived, and not shown as passed: {', '.join(waived)}.")
    open_ = [one for one in pack.findings if one.status not in ("resolved",)]
    lines.append(f"{len(open_)} of {len(pack.findings)} findings are not resolved.")
    return lines
