"""Files about models that come to whoever asks for them: evidence to look at, model cards and approval packs."""

from bot import blocks, slack_files
from bot.interactions import EvidenceRef, VersionRef
from bot.inventory import pages, words
from bot.inventory.acting import load_model
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
    router.action(words.READ_FILE, read_file, EvidenceRef)
    router.action(words.SEND_CARD, model_card, VersionRef)
    router.action(words.SEND_PACK, pack, VersionRef)


def read_file(click: Click, evidence: EvidenceRef) -> Reply:
    """Somebody who looks at evidence wants the file that it is: it comes to their direct conversation, if it is still the same."""
    deps = click.deps
    with deps.db.read() as session:
        item = evidencing.find_item(session, click.actor, evidence.item_id, policy=deps.policy)
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
    told = f"The {blocks.escape(name, 60)} as it was handed in by {blocks.escape(item.producer, 60)} · `sha256:{(item.sha256 or '')[:12]}…`"
    return Send(f"{name.replace(' ', '-')}{ending}", make, told)


def model_card(click: Click, ref: VersionRef) -> Reply:
    """The card of a model, or of a version, as a page that stands alone."""
    deps, (found, name) = click.deps, _load(click, ref)

    def make() -> bytes:
        with deps.db.read() as session:
            today = reads.today_of(deps.policy, deps.now(session))
        built = model_cards.build_card(found, deps.policy, today)
        return pages.card_html(
            built, organisation=deps.policy.organisation.name, today=today
        ).encode()

    named = words.model_name(found.model, found.version)
    return Send(f"{name}-card.html", make, f"The model card of {named}, as of now.")


def pack(click: Click, ref: VersionRef) -> Reply:
    """Everything that an auditor asks about a version, as a page that stands alone."""
    deps, (found, name) = click.deps, _load(click, ref)
    version = found.version
    if version is None:
        raise ref.refusal()

    def make() -> bytes:
        with deps.db.read() as session:
            made = packs.make_pack(
                session, click.actor, version.id, policy=deps.policy, now=deps.now(session)
            )
        return pages.pack_html(made).encode()

    named = words.model_name(found.model, version)
    return Send(
        f"{name}-pack.html",
        make,
        f"The approval pack of {named}: evidence, decisions, policy and ledger, as of now.",
    )


def _load(click: Click, ref: VersionRef) -> tuple[ModelCard, str]:
    """What the button is about, and how its file is called."""
    found, _ = load_model(click.deps, click.actor, ref.model_id, ref.version_id)
    return found, "-".join([found.model.key, *([found.version.version] if found.version else [])])
