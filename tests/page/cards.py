"""Cards, modals and a Home tab as a governance app would send them."""

import struct
import zlib
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
WEDNESDAY = int(datetime(2026, 1, 28, 9, tzinfo=UTC).timestamp())


def plain(text: str) -> Json:
    """A plain_text object."""
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    """A mrkdwn object."""
    return {"type": "mrkdwn", "text": text}


def section(text: str, **more: Any) -> Json:
    """A section block."""
    return {"type": "section", "text": mrkdwn(text), **more}


def button(action_id: str, text: str, **more: Any) -> Json:
    """A button."""
    return {"type": "button", "action_id": action_id, "text": plain(text), **more}


def options(*words: str) -> list[Json]:
    """Options whose values are their words."""
    return [{"text": plain(word), "value": word} for word in words]


def approval(requester: str) -> Json:
    """A request for more budget, waiting."""
    by = f"<!date^{WEDNESDAY}^{{date_short_pretty}} at {{time}}|Wed 28 Jan 09:00 UTC>"
    return {
        "text": "Ticket triage asks 40,000 → 52,000 EUR for January · decide by Wed 09:00",
        "blocks": [
            section("*Ticket triage asks to raise January's budget: 40,000 → 52,000 EUR (+30 %)*"),
            section(
                f"> Labelling backlog doubled after the recall; two more weeks of GPU.\nasked by <@{requester}>"
            ),
            {
                "type": "context",
                "elements": [
                    mrkdwn(
                        "You are asked because you are in <!subteam^S0FIN|@finance-partners> · step 2 of 2 · *1 of 2 approved*"
                    ),
                    mrkdwn(f"If nobody decides by {by} this expires and the budget stays."),
                ],
            },
            {
                "type": "actions",
                "block_id": "decide",
                "elements": [
                    button("approve", "Approve", style="primary", value="r1"),
                    button("reject", "Reject", style="danger", value="r1"),
                    button("details", "Details", url="https://example.com/r/1"),
                ],
            },
        ],
    }


def decided(by: str) -> Json:
    """The same request, approved."""
    return {
        "text": "Approved: January's budget for Ticket triage is now 52,000 EUR",
        "blocks": [
            section(
                f":white_check_mark: *Approved* · January's budget for Ticket triage is now *52,000 EUR* · by <@{by}> · _details in the thread_"
            )
        ],
    }


def alert() -> Json:
    """A budget alert with three buttons."""
    return {
        "text": "Ticket triage has used 80 % of January's budget (32,110 of 40,000 EUR)",
        "blocks": [
            section(
                "*Ticket triage has used 80 % of January's budget* (32,110 of 40,000 EUR effective cost)"
            ),
            {
                "type": "section",
                "fields": [
                    mrkdwn("*Crossed*\nMon 19 Jan"),
                    mrkdwn("*Likely by month end*\n46,000–49,000 EUR"),
                    mrkdwn("*Most of the rise*\nGPU instances, +9,400 EUR"),
                    mrkdwn("*Data through*\nSun 25 Jan"),
                ],
            },
            {
                "type": "actions",
                "elements": [
                    button("acknowledge", "Acknowledge"),
                    button("request", "Request increase"),
                    button(
                        "quiet",
                        "Mute",
                        confirm={
                            "title": plain("Mute this alert?"),
                            "text": mrkdwn("You will *not* hear of 100 % either."),
                            "confirm": plain("Mute"),
                            "deny": plain("Keep"),
                            "style": "danger",
                        },
                    ),
                    {
                        "type": "overflow",
                        "action_id": "pick",
                        "options": options("Break down", "Show owner"),
                    },
                ],
            },
        ],
    }


def gallery() -> Json:
    """Every other block and element."""
    return {
        "text": "A gallery of blocks",
        "blocks": [
            {"type": "header", "text": plain("Week 4: spend is on plan :tada:")},
            section(
                "A section with a *select*",
                accessory={
                    "type": "static_select",
                    "action_id": "pick",
                    "placeholder": plain("Choose a tier"),
                    "options": options("Low", "Medium", "High"),
                },
            ),
            section(
                "Who should own it?",
                accessory={
                    "type": "users_select",
                    "action_id": "pick",
                    "placeholder": plain("Select a person"),
                },
            ),
            section(
                "Due",
                accessory={"type": "datepicker", "action_id": "pick", "initial_date": "2026-02-16"},
            ),
            section(
                "A service",
                accessory={
                    "type": "external_select",
                    "action_id": "far",
                    "min_query_length": 1,
                    "placeholder": plain("Search services"),
                },
            ),
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "multi_static_select",
                        "action_id": "pick",
                        "placeholder": plain("Regions"),
                        "options": options("Europe", "Americas", "Asia"),
                    }
                ],
            },
            {"type": "divider"},
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "radio_buttons",
                        "action_id": "pick",
                        "options": options("Yes", "Partly", "No"),
                    },
                    {
                        "type": "checkboxes",
                        "action_id": "boxes",
                        "options": [
                            {
                                "text": mrkdwn("*Data sheet*"),
                                "description": mrkdwn("signed by the owner"),
                                "value": "a",
                            },
                            {"text": plain("Validation report"), "value": "b"},
                        ],
                    },
                ],
            },
            {
                "type": "rich_text",
                "elements": [
                    {
                        "type": "rich_text_section",
                        "elements": [
                            {"type": "text", "text": "Rich ", "style": {"bold": True}},
                            {"type": "user", "user_id": "U0MAYA"},
                            {"type": "text", "text": " and "},
                            {"type": "emoji", "name": "rocket"},
                        ],
                    },
                    {
                        "type": "rich_text_list",
                        "style": "bullet",
                        "elements": [
                            {
                                "type": "rich_text_section",
                                "elements": [{"type": "text", "text": word}],
                            }
                            for word in ("first", "second")
                        ],
                    },
                    {
                        "type": "rich_text_preformatted",
                        "elements": [{"type": "text", "text": "SELECT 1;"}],
                    },
                ],
            },
            {
                "type": "table",
                "column_settings": [{"is_wrapped": True}, {"align": "right"}],
                "rows": [
                    [{"type": "raw_text", "text": "Service"}, {"type": "raw_text", "text": "EUR"}],
                    [
                        {"type": "raw_text", "text": "GPU instances"},
                        {"type": "raw_text", "text": "21,400"},
                    ],
                    [
                        {"type": "raw_text", "text": "Object storage"},
                        {"type": "raw_text", "text": "3,110"},
                    ],
                ],
            },
            {
                "type": "image",
                "title": plain("Spend passed 80 % on 19 Jan"),
                "image_url": "http://127.0.0.1:9/none.png",
                "alt_text": "Spend by day, 80 % crossed on 19 January",
            },
        ],
    }


def texts() -> Json:
    """Standard Markdown, and mrkdwn with every mark."""
    return {
        "text": "Texts",
        "blocks": [
            {
                "type": "markdown",
                "text": "## Findings\n**Two** models *lack* a data sheet:\n\n1. Support chatbot\n2. Lane vision\n\n| Model | Tier |\n|---|---:|\n| Chatbot | 2 |\n| Lane | 1 |\n\n> quoted\n\n`code` and [a link](https://example.com)",
            },
            section(
                "*bold* _italic_ ~gone~ `code` <https://example.com|link> <@U0TOM> <#C0TRIAGE> <!here> :rocket: 3 &lt; 4 &amp;&amp; a_b_c 2*3*4\n```block\nof code```\n> quote one\n> quote two\nafter <javascript:alert(1)|bad link>"
            ),
        ],
    }


def reason() -> Json:
    """The modal that asks why."""
    return {
        "type": "modal",
        "callback_id": "reject.reason",
        "title": plain("Reject the increase"),
        "submit": plain("Reject"),
        "close": plain("Cancel"),
        "blocks": [
            section("*Ticket triage*: 40,000 → 52,000 EUR. The requester reads what you write."),
            {
                "type": "input",
                "block_id": "why",
                "label": plain("Why?"),
                "hint": plain("One sentence is enough."),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "text",
                    "multiline": True,
                    "min_length": 5,
                    "max_length": 300,
                    "placeholder": plain("Because …"),
                },
            },
        ],
    }


def request_form() -> Json:
    """A long modal with most inputs."""

    def field(block_id: str, label: str, element: Json, **more: Any) -> Json:
        return {
            "type": "input",
            "block_id": block_id,
            "label": plain(label),
            "element": {"action_id": "it", **element},
            **more,
        }

    return {
        "type": "modal",
        "callback_id": "request.form",
        "title": plain("Request increase"),
        "submit": plain("Ask"),
        "notify_on_close": True,
        "blocks": [
            section("January's budget is *40,000 EUR*.", accessory=button("deeper", "Break down")),
            field(
                "amount",
                "New amount",
                {"type": "number_input", "is_decimal_allowed": False, "min_value": "40001"},
            ),
            field(
                "scope",
                "For how long?",
                {
                    "type": "radio_buttons",
                    "initial_option": options("This period")[0],
                    "options": options("This period", "From now on"),
                },
            ),
            field("who", "Who should know?", {"type": "multi_users_select"}, optional=True),
            field(
                "tier",
                "Risk tier",
                {"type": "static_select", "options": options("Low", "High")},
                optional=True,
            ),
            field("until", "Needed by", {"type": "datepicker"}, optional=True),
            field("mail", "Copy to", {"type": "email_text_input"}, optional=True),
            field(
                "ok",
                "Confirm",
                {"type": "checkboxes", "options": options("I have spoken to the owner")},
                optional=True,
            ),
        ],
    }


def deeper() -> Json:
    """A modal above a modal."""
    return {
        "type": "modal",
        "title": plain("Break down"),
        "close": plain("Back"),
        "blocks": [section("*GPU instances* 21,400 EUR\n*Object storage* 3,110 EUR")],
    }


def when_form() -> Json:
    """A modal that asks when, how much and who, with answers to begin with."""

    def field(block_id: str, label: str, element: Json) -> Json:
        return {
            "type": "input",
            "block_id": block_id,
            "label": plain(label),
            "element": {"action_id": "it", **element},
        }

    return {
        "type": "modal",
        "callback_id": "when.form",
        "title": plain("Reschedule"),
        "submit": plain("Move"),
        "blocks": [
            field("day", "New date", {"type": "datepicker", "initial_date": "2026-02-16"}),
            field(
                "time",
                "Remind me at",
                {"type": "timepicker", "initial_time": "09:00", "timezone": "Europe/London"},
            ),
            field(
                "until", "Snooze until", {"type": "datetimepicker", "initial_date_time": WEDNESDAY}
            ),
            field(
                "days",
                "Days of slack",
                {
                    "type": "number_input",
                    "is_decimal_allowed": False,
                    "min_value": "1",
                    "max_value": "30",
                    "initial_value": "3",
                },
            ),
            field("who", "New owner", {"type": "users_select", "initial_user": "U0TOM"}),
        ],
    }


def image(file_id: str) -> Json:
    """A picture that was uploaded."""
    return {
        "type": "image",
        "title": plain("Ticket triage used 81 % of January's budget"),
        "alt_text": "Spend by day: 19 Jan 32,110 of 40,000 EUR",
        "slack_file": {"id": file_id},
    }


def png(width: int = 960, height: int = 528) -> bytes:
    """A real picture: two bands of colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        sealed = kind + data
        return struct.pack(">I", len(data)) + sealed + struct.pack(">I", zlib.crc32(sealed))

    line = b"\x00" + b"\x00\x72\xb2" * (width // 2) + b"\xe6\x9f\x00" * (width - width // 2)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(line * height))
        + chunk(b"IEND", b"")
    )


def home() -> Json:
    """A Home tab."""
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": plain("One decision waits for you")},
            section(
                "*Ticket triage: 40,000 → 52,000 EUR for January*\nDecide by Wed 28 Jan 09:00",
                accessory=button("request", "Open", style="primary"),
            ),
            {"type": "divider"},
            section(
                "*2 milestones of yours are due this week*\n• Validation report, Support chatbot · slipped 12 days\n• Data sheet, Lane vision · due Fri 30 Jan",
                accessory={
                    "type": "overflow",
                    "action_id": "pick",
                    "options": options("Done", "Reschedule"),
                },
            ),
            {
                "type": "context",
                "elements": [mrkdwn("Data through Sun 25 Jan · read as <@U0MAYA>")],
            },
        ],
    }
