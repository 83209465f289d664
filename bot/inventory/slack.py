"""Files about models that come to whoever asks for them: evidence to look at, model cards and approval packs."""

from collections.abc import Callable

from bot.inventory import cards, clicks, documents, evidence, submissions, windows, words
from bot.inventory import submissions as evidence_submissions
from bot.inventory import submissions as finding_submissions
from bot.inventory import windows as evidence_windows
from bot.inventory import windows as finding_windows
from bot.inventory.clicks import load_model
from bot.slack import blocks, files
from bot.slack import replies as slack_windows
from bot.slack.files import NotFetched
from bot.slack.interactions import (
    ClassifyWindow,
    EvidenceRef,
    EvidenceWindow,
    FindingRef,
    ModelRef,
    Picked,
    RegisterWindow,
    ReviewWindow,
    VersionRef,
)
from bot.slack.replies import Open, Private, Reply, Send, Show
from bot.slack.requests import Click, Command, Router, Shortcut
from workflows.approvals import submission
from workflows.errors import InvalidInput, NotAllowed
from workflows.inventory import evidence as inventory_evidence
from workflows.inventory import model_approval, reads, rules
from workflows.inventory.records import ModelCard
from workflows.packs import service as packs
from workflows.people import service as people
from workflows.projects import reads as projects
from workflows.registry import reads as registry


def register_sending(router: Router) -> None:
    """Answer the buttons that ask for a file."""
    router.action(words.READ_FILE, read_file, EvidenceRef)
    router.action(words.SEND_CARD, model_card, VersionRef)
    router.action(words.SEND_PACK, pack, VersionRef)


def read_file(click: Click, evidence: EvidenceRef) -> Reply:
    """Somebody who looks at evidence wants the file that it is: it comes to their direct conversation, if it is still the same."""
    deps = click.deps
    with click.begin_read() as ctx:
        item = inventory_evidence.find_item(ctx, evidence.item_id)
        producer = people.actor(ctx.session, item.producer_id or "")
    file_id = words.file_of(item)
    if file_id is None:
        raise InvalidInput("This item is no file in Slack: its link leads to it.")

    name = deps.policy.evidence.words(item.type)

    def make() -> bytes:
        try:
            # A link can name anybody's file: only that of who handed it in was kept as evidence.
            fetched = files.fetch(deps, file_id, owner=producer.slack_id if producer else None)
        except NotFetched as error:
            is_gone = error.why == files.NOT_YOURS
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
    sentence = f"The {blocks.escape(name, 60)} as it was handed in by {blocks.escape(item.producer, 60)} · `sha256:{(item.sha256 or '')[:12]}…`"
    return Send(f"{name.replace(' ', '-')}{ending}", make, sentence)


def model_card(click: Click, ref: VersionRef) -> Reply:
    """The card of a model, or of a version, as a page that stands alone."""
    deps, (card, name) = click.deps, _load(click, ref)

    def make() -> bytes:
        today = clicks.read_today(deps)
        built = inventory_evidence.build_card(card, deps.policy, today)
        return documents.card_html(
            built, organisation=deps.policy.organisation.name, today=today
        ).encode()

    named = words.model_name(card.model, card.version)
    return Send(f"{name}-card.html", make, f"The model card of {named}, as of now.")


def pack(click: Click, ref: VersionRef) -> Reply:
    """Everything that an auditor asks about a version, as a page that stands alone."""
    card, name = _load(click, ref)
    version = card.version
    if version is None:
        raise ref.refusal()

    def make() -> bytes:
        return documents.pack_html(click.read(packs.make_pack, version.id)).encode()

    named = words.model_name(card.model, version)
    return Send(
        f"{name}-pack.html",
        make,
        f"The approval pack of {named}: evidence, decisions, policy and ledger, as of now.",
    )


def _load(click: Click, ref: VersionRef) -> tuple[ModelCard, str]:
    """What the button is about, and how its file is called."""
    card, _ = load_model(click, ref.model_id, ref.version_id)
    return card, "-".join([card.model.key, *([card.version.version] if card.version else [])])


# --- `/mlgov models`, `/mlgov model NAME`, the buttons of their cards, and the message shortcut

FROM_MESSAGE = "models.from_message"
"""The message shortcut."""


def register(router: Router) -> None:
    """Answer the words, the buttons, the shortcut and the windows."""
    router.action(words.OPEN, open_model, VersionRef)
    router.action(words.REGISTER, open_register)
    router.action(words.STEP, _open_step, ModelRef)
    router.action(f"{words.STEP}_look", more, ModelRef)
    router.action(words.MORE, more, ModelRef)
    router.action(words.SETTLE, open_settle, FindingRef)
    router.action(words.PICK_TYPE, pick_type, Picked)
    router.shortcut(FROM_MESSAGE, from_message)
    submissions.register(router)
    evidence_submissions.register_evidence(router)
    finding_submissions.register_findings(router)
    evidence.register(router)
    register_sending(router)
    router.word(
        "models",
        "models [word]",
        "the inventory: which models there are, and how they stand",
        models,
    )
    router.word(
        "model",
        "model NAME[:VERSION]",
        "one model: state, tier, evidence, approvals, findings and spend",
        model,
    )


def models(command: Command) -> Reply:
    """The models that I see, or those that a word fits."""
    deps, asked = command.deps, " ".join(command.words)
    with command.begin_read() as ctx:
        card, counts = reads.list_first_models(ctx, asked, order=cards.ORDER, most=cards.MOST)
        today = reads.today_of(deps.policy, ctx.now)
    return cards.list_reply(card, counts, asked, today)


def model(command: Command) -> Reply:
    """One model by its name or key; without one, the list."""
    if not command.words:
        return models(command)
    deps = command.deps
    with command.begin_read() as ctx:
        found, version = reads.find_model(ctx, " ".join(command.words))
        today = reads.today_of(deps.policy, ctx.now)
    card, spend = clicks.load_model(command, found.id, version.id if version else None)
    return Private(
        words.headline(card.model, card.version), cards.card_blocks(card, deps.policy, today, spend)
    )


def _details(click: Click, ref: VersionRef | ModelRef, sentence: str = "") -> Reply:
    view = submissions.details(click, ref.model_id, ref.version_id, sentence)
    return click.window(view.view, view.pictures)


def open_model(click: Click, ref: VersionRef) -> Reply:
    """Everything about a model, for whoever clicked."""
    return _details(click, ref)


def open_register(click: Click) -> Reply:
    """The window for a new entry."""
    return click.window(windows.register(owner=click.actor.slack_id))


def from_message(shortcut: Shortcut) -> Reply:
    """What somebody wrote about a model becomes an entry; the window is filled in from the message."""
    with shortcut.begin_read() as ctx:
        here = [
            (one.key, one.name)
            for one in projects.list_all(ctx.session, shortcut.actor)
            if one.channel == shortcut.channel
        ]
    # Whoever uses it stands in that channel, and may name the project that the channel is of.
    text = blocks.plain(shortcut.text, 600)
    return Open(
        windows.register(
            purpose="" if text == "—" else text,
            owner=shortcut.actor.slack_id,
            chosen=here[0] if here else None,
            metadata=_sealed(shortcut) if here else "",
        )
    )


def _sealed(shortcut: Shortcut) -> str:
    channel = shortcut.channel
    return RegisterWindow(channel, slack_windows.seal(shortcut.deps, shortcut.actor, channel)).text


# --- steps and the menu


def more(click: Click, at: ModelRef) -> Reply:
    """Whatever the menu offered."""
    return _MENU.get(at.verb, _open_step)(click, at)


def _load_card(click: Click, at: ModelRef) -> ModelCard:
    return clicks.load_model(click, at.model_id, at.version_id)[0]


def _open_step(click: Click, at: ModelRef) -> Reply:
    """The window of a step; who may not take it, or not yet, reads why at once."""
    card = _load_card(click, at)
    choice = next((one for one in card.choices if one.move.verb == at.verb), None)
    if choice is None or card.version is None:
        return _details(click, at, "It moved on since it was shown to you.")
    if choice.refusals:
        raise NotAllowed(
            f"{card.model.name} {card.version.version} can't go on yet: {'; '.join(choice.refusals)}."
        )
    route = _route(click, card) if at.verb == rules.PASS else ""
    return click.window(
        windows.step(card, choice.move, route=route, metadata=clicks.remember(at, click))
    )


def _route(click: Click, card: ModelCard) -> str:
    deps = click.deps
    if card.version is None or model_approval.GATE not in deps.policy.gates:
        raise InvalidInput(
            "The policy has no gate `model_approval`, so nobody could decide. An administrator can add it to governance.yml."
        )
    with click.begin_read() as ctx:
        people = model_approval.MODEL_APPROVAL.people(ctx.session, card.version.id)
        route = submission.preview_route(ctx, model_approval.GATE, people)
    return slack_windows.describe_route(route)


def _describe(click: Click, at: ModelRef) -> Reply:
    card = _load_card(click, at)
    with click.begin_read() as ctx:
        taken = reads.list_upstream(ctx.session, card.model.id)
    return click.window(windows.describe(card, taken, clicks.remember(at, click)))


def _assess(click: Click, at: ModelRef) -> Reply:
    card = _load_card(click, at)
    return click.window(
        windows.assess(card.model, can_risk=card.can_risk, metadata=clicks.remember(at, click))
    )


def _version(click: Click, at: ModelRef) -> Reply:
    card = _load_card(click, at)
    with click.begin_read() as ctx:
        seen = registry.find_offered(ctx.session, card.model.registry_name)
    return click.window(
        windows.version(
            card.model, maker=click.actor.slack_id, metadata=clicks.remember(at, click), seen=seen
        )
    )


def _evidence(click: Click, at: ModelRef) -> Reply:
    return click.window(
        evidence_windows.evidence(
            _load_card(click, at), click.deps.policy, None, clicks.remember(at, click)
        )
    )


def pick_type(click: Click, picked: Picked) -> Reply:
    """The type of evidence was picked: its fields follow."""
    at = EvidenceWindow.read(click.metadata)
    card = _load_card(click, at)
    return Show(
        evidence_windows.evidence(
            card,
            click.deps.policy,
            picked.value,
            click.metadata,
            evidence.load_file(click, at.file_id),
            *clicks.prefilled(click.deps, card),
            takes_files=clicks.takes_files(click.deps),
        )
    )


def _look(click: Click, at: ModelRef) -> Reply:
    card, deps = _load_card(click, at), click.deps
    if not card.can_accept:
        return Private("There is no evidence left for you to look at.")
    today = clicks.read_today(deps)
    drawn = cards.draw_pictures(card.can_accept)
    view = evidence_windows.look(
        card.can_accept, deps.policy, today, drawn, clicks.remember(at, click)
    )
    return click.window(view, tuple(drawn.values()))


def _waive(click: Click, at: ModelRef) -> Reply:
    today, policy = clicks.read_today(click.deps), click.deps.policy
    card = _load_card(click, at)
    return click.window(evidence_windows.waive(card, policy, today, clicks.remember(at, click)))


def _finding(click: Click, at: ModelRef) -> Reply:
    return click.window(
        finding_windows.finding_window(_load_card(click, at), clicks.remember(at, click))
    )


def open_settle(click: Click, ref: FindingRef) -> Reply:
    """What becomes of a finding."""
    deps = click.deps
    with click.begin_read() as ctx:
        finding = reads.find_finding(ctx.session, ref.finding_id)
        today = reads.today_of(deps.policy, ctx.now)
        if finding is None:
            raise reads.out_of_sight()
        reads.require_sight(ctx, finding.model_id)
    at = ModelRef("settle", finding.model_id, ref.revision, None, ref.finding_id)
    return click.window(
        finding_windows.settle_window(finding, today, metadata=clicks.remember(at, click))
    )


def _review(click: Click, at: ModelRef) -> Reply:
    card, today = _load_card(click, at), clicks.read_today(click.deps)
    window = ReviewWindow(**{**vars(at), "card": click.card, "due": card.model.next_review})
    return click.window(finding_windows.review_window(card.model, today, window.text))


def _card(click: Click, at: ModelRef) -> Reply:
    found, deps = _load_card(click, at), click.deps
    today = clicks.read_today(deps)
    card = inventory_evidence.build_card(found, deps.policy, today)
    ref = VersionRef(found.model.id, found.version.id if found.version else None)
    return click.window(evidence_windows.model_card(card, ref))


def _classify(click: Click, at: ModelRef) -> Reply:
    card = _load_card(click, at)
    is_model = card.model.own_state.value == "not_a_model"
    window = ClassifyWindow(**{**vars(at), "card": click.card, "is_model": is_model})
    return click.window(windows.classify(card.model, is_model=is_model, metadata=window.text))


_MENU: dict[str, Callable[[Click, ModelRef], Reply]] = {
    words.DESCRIBE: _describe,
    words.ASSESS: _assess,
    words.VERSION: _version,
    words.EVIDENCE: _evidence,
    words.LOOK: _look,
    words.WAIVE: _waive,
    words.FINDING: _finding,
    words.REVIEW: _review,
    words.CLASSIFY: _classify,
    words.CARD: _card,
}
