"""Files about models that come to whoever asks for them: evidence to look at, model cards and approval packs."""

from bot import blocks, slack_files
from bot.inventory import pages, words
from bot.inventory.acting import OTHER_RELEASE, look
from bot.replies import Reply, Send
from bot.requests import Click
from bot.router import Router
from bot.slack_files import NotFetched
from workflows.errors import InvalidInput
from workflows.inventory import evidencing, model_cards, reads
from workflows.inventory.records import ModelCard
from workflows.packs import service as packs
from workflows.people import service as people


def register(router: Router) -> None:
    """Answer the buttons that ask for a file."""
    router.action(words.READ_FILE, read_file)
    router.action(words.SEND_CARD, send_model_card)
    router.action(words.SEND_PACK, send_pack)


def read_file(click: Click) -> Reply:
    """Somebody who looks at evidence wants the file that it is: it comes to their direct conversation, if it is still the same."""
    deps = click.deps
    try:
        item_id = int(click.value)
    except ValueError:
        raise InvalidInput(OTHER_RELEASE) from None
    with deps.db.read() as session:
        item = evidencing.find_item(session, click.actor, item_id, policy=deps.policy)
        producer = people.actor(session, item.producer_id or "")
    file_id = words.file_of(item)
    if file_id is None:
        raise InvalidInput("This item is no file in Slack: its link leads to it.")

    name = deps.policy.evidence.words(item.type)

    def make() -> bytes:
        try:
            # A link can name anybody's file: only that of who handed it in was kept as evidence.
            fetched = slack_files.fetch(
                deps, file_id, owner=producer.slack_id if producer else None
            )
        except NotFetched as error:
            is_gone = error.why == slack_files.NOT_YOURS
            why = "Slack doesn't show it to mlgov any more" if is_gone else error.why
            raise InvalidInput(
                f"The {name} cannot be had: {why}. Its digest stays on the record; ask {item.producer or 'who handed it in'} for it."
            ) from None
        if fetched.sha256 != item.sha256:
            raise InvalidInput(
                f"{fetched.name} is not the file any more that was handed in: its digest is another one. It was not sent."
            )
        return fetched.data

    ending = (item.uri or "").rpartition(".")[2]
    ending = f".{ending}" if ending.isalnum() and len(ending) <= 8 else ""
    caption = f"The {blocks.escape(name, 60)} as it was handed in by {blocks.escape(item.producer, 60)} · `sha256:{(item.sha256 or '')[:12]}…`"
    return Send(f"{name.replace(' ', '-')}{ending}", make, caption)


def send_model_card(click: Click) -> Reply:
    """The card of a model, or of a version, as a page that stands alone."""
    deps, (card, name) = click.deps, _find_card(click)

    def make() -> bytes:
        with deps.db.read() as session:
            today = reads.today_of(deps.policy, deps.now(session))
        built = model_cards.build_card(card, deps.policy, today)
        return pages.card_html(
            built, organisation=deps.policy.organisation.name, today=today
        ).encode()

    named = words.model_name(card.model, card.version)
    return Send(f"{name}-card.html", make, f"The model card of {named}, as of now.")


def send_pack(click: Click) -> Reply:
    """Everything that an auditor asks about a version, as a page that stands alone."""
    deps, (card, name) = click.deps, _find_card(click)
    version = card.version
    if version is None:
        raise InvalidInput(OTHER_RELEASE)

    def make() -> bytes:
        with deps.db.read() as session:
            built = packs.make_pack(
                session, click.actor, version.id, policy=deps.policy, now=deps.now(session)
            )
        return pages.pack_html(built).encode()

    named = words.model_name(card.model, version)
    return Send(
        f"{name}-pack.html",
        make,
        f"The approval pack of {named}: evidence, decisions, policy and ledger, as of now.",
    )


def _find_card(click: Click) -> tuple[ModelCard, str]:
    """What the button is about, and how its file is called."""
    try:
        model_id, version_id = (int(one) for one in click.value.split(":"))
    except ValueError:
        raise InvalidInput(OTHER_RELEASE) from None
    card, _ = look(click.deps, click.actor, model_id, version_id or None)
    return card, "-".join([card.model.key, *([card.version.version] if card.version else [])])
