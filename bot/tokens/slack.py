"""The modals behind `/mlgov token`. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import TokenRef
from bot.slack.replies import Open, Private, Reply, Show
from bot.slack.requests import Click, Command, Router, Submission
from workflows.context import Context
from workflows.tokens import service
from workflows.tokens.service import Token

REVOKE = "tokens.revoke"
MAKE = "tokens.make"
LASTS = "lasts"
CHOICES = (("1 day", "1"), ("7 days", "7"), ("30 days", "30"), ("90 days", "90"))


def mine(tokens: Sequence[Token], *, now: datetime) -> dict[str, Any]:
    """One's own tokens in use, and making one."""
    used = [token for token in tokens if token.state(now) == "in use"]
    options = [blocks.option(text, value) for text, value in CHOICES]
    view_blocks: list[Block] = [
        blocks.section(
            "*A token lets the command line or a program of yours act as you*\n"
            "It reads requests, and decides them by the same rules as your clicks. Whoever has it can decide as you, "
            "so give it to nobody."
        ),
        *(_line(token) for token in used),
        blocks.input_(
            "How long shall it last?",
            blocks.radio(f"{MAKE}.value", options, initial=options[1]),
            block_id=LASTS,
        ),
    ]
    return blocks.modal(
        "Your API tokens", view_blocks, callback_id=MAKE, submit="Make a token", close="Close"
    )


def _line(token: Token) -> Block:
    last = f"last used {blocks.when(token.last_used_at)}" if token.last_used_at else "never used"
    return blocks.section(
        f"`{token.prefix}…` · until {blocks.when(token.expires_at)} · {last}",
        accessory=blocks.button(
            "Revoke", REVOKE, token.prefix, hint=f"Revoke the token {token.prefix}"
        ),
        block_id=f"token:{token.prefix}",
    )


def made(secret: str, token: Token) -> dict[str, Any]:
    """The new token, this once."""
    return blocks.modal(
        "Your new token",
        [
            blocks.section(
                f"*Copy it now: it is shown this once*\n```{secret}```\n"
                f"It opens mlgov as you until {blocks.when(token.expires_at)}."
            ),
            blocks.context(
                "For the command line: set `MLGOV_TOKEN` to it, and `MLGOV_URL` to where mlgov is reached. "
                "`/mlgov token` revokes it."
            ),
        ],
        callback_id="notice",
        close="Done",
    )


# --- `/mlgov token`
#
# people make tokens of their own, see them once, and revoke them.


def register(router: Router) -> None:
    """Answer the word, the modal and its buttons."""
    router.word("token", "token", "tokens of your own for the command line", open_)
    router.submission(MAKE, make)
    router.action(REVOKE, revoke, TokenRef)


def open_(command: Command) -> Reply:
    """Your tokens, and making one. A modal is the one place that nobody else can read and nothing keeps."""
    if command.trigger_id is None:
        return Private(
            "A token is shown in a window, which only a slash command can open: type `/mlgov token` in any channel."
        )
    return Open(command.read(_mine))


def make(submission: Submission) -> Reply:
    """A token was asked for; it is shown in this answer and nowhere else."""
    days = submission.number(LASTS, 7)
    secret, token = submission.act(service.create_personal, lasts=timedelta(days=days))
    return Show(made(secret, token))


def revoke(click: Click, token: TokenRef) -> Reply:
    """End one of one's own tokens."""
    click.act(service.revoke, token.prefix)
    return Show(click.read(_mine))


def _mine(ctx: Context) -> dict[str, Any]:
    return mine(service.list_tokens(ctx.session, person_id=ctx.actor.id), now=ctx.now)
