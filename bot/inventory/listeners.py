"""`/mlgov models`, `/mlgov model NAME`, the buttons of their cards, and the message shortcut."""

from collections.abc import Callable

from bot import blocks, routes, seals
from bot.interactions import (
    ClassifyWindow,
    EvidenceWindow,
    FindingRef,
    ModelRef,
    Picked,
    RegisterWindow,
    ReviewWindow,
    VersionRef,
)
from bot.inventory import acting, entered, sending, submissions, views, windows, words
from bot.inventory.evidence import figures, sharing
from bot.inventory.evidence import submissions as evidence_submissions
from bot.inventory.evidence import windows as evidence_windows
from bot.inventory.findings import submissions as finding_submissions
from bot.inventory.findings import windows as finding_windows
from bot.replies import Open, Private, Reply, Show
from bot.requests import Click, Command, Shortcut
from bot.router import Router
from workflows import decisions
from workflows.errors import InvalidInput, NotAllowed
from workflows.inventory import approving, model_cards, reads, rules
from workflows.inventory.records import ModelCard
from workflows.projects import service as projects
from workflows.registry import reads as registry

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
    evidence_submissions.register(router)
    finding_submissions.register(router)
    sharing.register(router)
    sending.register(router)
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
    with deps.db.read() as session:
        found, counts = reads.list_first_models(
            session, command.actor, asked, order=views.ORDER, most=views.MOST, policy=deps.policy
        )
        today = reads.today_of(deps.policy, deps.now(session))
    return views.list_reply(found, counts, asked, today)


def model(command: Command) -> Reply:
    """One model by its name or key; without one, the list."""
    if not command.words:
        return models(command)
    deps = command.deps
    with deps.db.read() as session:
        found, version = reads.find_model(
            session, command.actor, " ".join(command.words), policy=deps.policy
        )
        today = reads.today_of(deps.policy, deps.now(session))
    card, spend = acting.load_model(deps, command.actor, found.id, version.id if version else None)
    return Private(
        words.headline(card.model, card.version), views.card_blocks(card, deps.policy, today, spend)
    )


def _details(click: Click, ref: VersionRef | ModelRef, sentence: str = "") -> Reply:
    shown = entered.details(click.deps, click.actor, ref.model_id, ref.version_id, sentence)
    return click.window(shown.view, shown.pictures)


def open_model(click: Click, ref: VersionRef) -> Reply:
    """Everything about a model, for whoever clicked."""
    return _details(click, ref)


def open_register(click: Click) -> Reply:
    """The window for a new entry."""
    return click.window(windows.register(owner=click.actor.slack_id))


def from_message(shortcut: Shortcut) -> Reply:
    """What somebody wrote about a model becomes an entry; the window is filled in from the message."""
    with shortcut.deps.db.read() as session:
        here = [
            (one.key, one.name)
            for one in projects.list_all(session, shortcut.actor)
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
    return RegisterWindow(channel, seals.seal(shortcut.deps, shortcut.actor, channel)).text


# --- steps and the menu


def more(click: Click, at: ModelRef) -> Reply:
    """Whatever the menu offered."""
    return _MENU.get(at.verb, _open_step)(click, at)


def _load(click: Click, at: ModelRef) -> ModelCard:
    return acting.load_model(click.deps, click.actor, at.model_id, at.version_id)[0]


def _open_step(click: Click, at: ModelRef) -> Reply:
    """The window of a step; who may not take it, or not yet, reads why at once."""
    found = _load(click, at)
    choice = next((one for one in found.choices if one.move.verb == at.verb), None)
    if choice is None or found.version is None:
        return _details(click, at, "It moved on since it was shown to you.")
    if choice.refusals:
        raise NotAllowed(
            f"{found.model.name} {found.version.version} can't go on yet: {'; '.join(choice.refusals)}."
        )
    route = _route(click, found) if at.verb == rules.PASS else ""
    return click.window(
        windows.step(found, choice.move, route=route, metadata=acting.remember(at, click))
    )


def _route(click: Click, found: ModelCard) -> str:
    deps = click.deps
    if found.version is None or approving.GATE not in deps.policy.gates:
        raise InvalidInput(
            "The policy has no gate `model_approval`, so nobody could decide. An administrator can add it to governance.yml."
        )
    with deps.db.read() as session:
        people = approving.MODEL_APPROVAL.people(session, found.version.id)
        route = decisions.preview_route(
            session,
            click.actor,
            approving.GATE,
            people,
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
    return routes.describe_route(route)


def _describe(click: Click, at: ModelRef) -> Reply:
    deps, found = click.deps, _load(click, at)
    with deps.db.read() as session:
        taken = reads.list_upstream(session, found.model.id)
    return click.window(windows.describe(found, taken, acting.remember(at, click)))


def _assess(click: Click, at: ModelRef) -> Reply:
    found = _load(click, at)
    return click.window(
        windows.assess(found.model, can_risk=found.can_risk, metadata=acting.remember(at, click)),
    )


def _version(click: Click, at: ModelRef) -> Reply:
    found = _load(click, at)
    with click.deps.db.read() as session:
        seen = registry.find_offered(session, found.model.registry_name)
    return click.window(
        windows.version(
            found.model, maker=click.actor.slack_id, metadata=acting.remember(at, click), seen=seen
        ),
    )


def _evidence(click: Click, at: ModelRef) -> Reply:
    return click.window(
        evidence_windows.evidence(
            _load(click, at), click.deps.policy, None, acting.remember(at, click)
        ),
    )


def pick_type(click: Click, picked: Picked) -> Reply:
    """The type of evidence was picked: its fields follow."""
    at = EvidenceWindow.read(click.metadata)
    found = _load(click, at)
    return Show(
        evidence_windows.evidence(
            found,
            click.deps.policy,
            picked.value,
            click.metadata,
            sharing.load_file(click, at.file_id),
            *acting.prefilled(click.deps, found),
            takes_files=acting.takes_files(click.deps),
        )
    )


def _look(click: Click, at: ModelRef) -> Reply:
    found, deps = _load(click, at), click.deps
    if not found.can_accept:
        return Private("There is no evidence left for you to look at.")
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    drawn = figures.draw_pictures(found.can_accept)
    shown = evidence_windows.look(
        found.can_accept, deps.policy, today, drawn, acting.remember(at, click)
    )
    return click.window(shown, tuple(drawn.values()))


def _waive(click: Click, at: ModelRef) -> Reply:
    deps = click.deps
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    return click.window(
        evidence_windows.waive(_load(click, at), deps.policy, today, acting.remember(at, click)),
    )


def _finding(click: Click, at: ModelRef) -> Reply:
    return click.window(
        finding_windows.finding_window(_load(click, at), acting.remember(at, click))
    )


def open_settle(click: Click, ref: FindingRef) -> Reply:
    """What becomes of a finding."""
    deps = click.deps
    with deps.db.read() as session:
        finding = reads.find_finding(session, ref.finding_id)
        today = reads.today_of(deps.policy, deps.now(session))
        if finding is None:
            raise reads.out_of_sight()
        reads.require_sight(session, click.actor, finding.model_id, policy=deps.policy)
    at = ModelRef("settle", finding.model_id, ref.revision, None, ref.finding_id)
    return click.window(
        finding_windows.settle_window(finding, today, metadata=acting.remember(at, click))
    )


def _review(click: Click, at: ModelRef) -> Reply:
    deps, found = click.deps, _load(click, at)
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    window = ReviewWindow(**{**vars(at), "card": click.card, "due": found.model.next_review})
    return click.window(finding_windows.review_window(found.model, today, window.text))


def _card(click: Click, at: ModelRef) -> Reply:
    found, deps = _load(click, at), click.deps
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    card = model_cards.build_card(found, deps.policy, today)
    ref = VersionRef(found.model.id, found.version.id if found.version else None)
    return click.window(evidence_windows.model_card(card, ref))


def _classify(click: Click, at: ModelRef) -> Reply:
    found = _load(click, at)
    is_model = found.model.own_state.value == "not_a_model"
    window = ClassifyWindow(**{**vars(at), "card": click.card, "is_model": is_model})
    return click.window(windows.classify(found.model, is_model=is_model, metadata=window.text))


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
