"""`/mlgov models`, `/mlgov model NAME`, the buttons of their cards, and the message shortcut."""

from collections.abc import Callable
from typing import Any

from bot import blocks, routes, seals
from bot.inventory import acting, entered, sending, submissions, views, windows, words
from bot.inventory.acting import OTHER_RELEASE, At
from bot.inventory.evidence import figures, sharing
from bot.inventory.evidence import submissions as evidence_submissions
from bot.inventory.evidence import windows as evidence_windows
from bot.inventory.findings import submissions as finding_submissions
from bot.inventory.findings import windows as finding_windows
from bot.pictures import Picture
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
    router.action(words.OPEN, open_model)
    router.action(words.REGISTER, open_register)
    router.action(words.STEP, step)
    router.action(f"{words.STEP}_look", more)
    router.action(words.MORE, more)
    router.action(words.SETTLE, open_settle)
    router.action(words.PICK_TYPE, pick_type)
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
    card, spend = acting.look(deps, command.actor, found.id, version.id if version else None)
    return Private(
        words.headline(card.model, card.version), views.card_blocks(card, deps.policy, today, spend)
    )


def _present(click: Click, view: dict[str, Any], drawn: tuple[Picture, ...] = ()) -> Reply:
    """In place of the window that was clicked in, so that windows never pile up; else a new one."""
    in_modal = click.view is not None and click.view.get("type") == "modal"
    return Show(view, drawn) if in_modal else Open(view, drawn)


def _details(click: Click, model_id: int, version_id: int | None, said: str = "") -> Reply:
    made = entered.details(click.deps, click.actor, model_id, version_id, said)
    return _present(click, made.view, made.pictures)


def open_model(click: Click) -> Reply:
    """Everything about a model, for whoever clicked."""
    model_id, _, version_id = click.value.partition(":")
    try:
        ids = int(model_id), int(version_id or 0) or None
    except ValueError:
        raise InvalidInput(OTHER_RELEASE) from None
    return _details(click, *ids)


def open_register(click: Click) -> Reply:
    """The window for a new entry."""
    return _present(click, windows.register_window(owner=click.actor.slack_id))


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
        windows.register_window(
            purpose="" if text == "—" else text,
            owner=shortcut.actor.slack_id,
            chosen=here[0] if here else None,
            channel=_sealed(shortcut) if here else "",
        )
    )


def _sealed(shortcut: Shortcut) -> str:
    """`channel:seal`, for the window's metadata."""
    channel = shortcut.channel
    return f"{channel}:{seals.seal(shortcut.deps, shortcut.actor, channel)}"


# --- steps and the menu


def step(click: Click) -> Reply:
    """The next step, from its button."""
    return _open_step(click, At.read(click.value))


def more(click: Click) -> Reply:
    """Whatever the menu offered."""
    at = At.read(click.value)
    found = _MENU.get(at.verb)
    return found(click, at) if found else _open_step(click, at)


def _seen(click: Click, at: At) -> ModelCard:
    return acting.look(click.deps, click.actor, at.model_id, at.version_id)[0]


def _open_step(click: Click, at: At) -> Reply:
    """The window of a step; who may not take it, or not yet, reads why at once."""
    found = _seen(click, at)
    choice = next((one for one in found.choices if one.move.verb == at.verb), None)
    if choice is None or found.version is None:
        return _details(click, at.model_id, at.version_id, "It moved on since it was shown to you.")
    if choice.refusals:
        raise NotAllowed(
            f"{found.model.name} {found.version.version} can't go on yet: {'; '.join(choice.refusals)}."
        )
    route = _route(click, found) if at.verb == rules.PASS else ""
    return _present(
        click,
        windows.step_window(found, choice.move, route=route, metadata=acting.remember(at, click)),
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


def _describe(click: Click, at: At) -> Reply:
    deps, found = click.deps, _seen(click, at)
    with deps.db.read() as session:
        taken = reads.list_upstream(session, found.model.id)
    return _present(click, windows.describe_window(found, taken, acting.remember(at, click)))


def _assess(click: Click, at: At) -> Reply:
    found = _seen(click, at)
    return _present(
        click,
        windows.assess_window(
            found.model, can_risk=found.can_risk, metadata=acting.remember(at, click)
        ),
    )


def _version(click: Click, at: At) -> Reply:
    found = _seen(click, at)
    with click.deps.db.read() as session:
        seen = registry.find_offered(session, found.model.registry_name)
    return _present(
        click,
        windows.version_window(
            found.model, maker=click.actor.slack_id, metadata=acting.remember(at, click), seen=seen
        ),
    )


def _evidence(click: Click, at: At) -> Reply:
    return _present(
        click,
        evidence_windows.evidence_window(
            _seen(click, at), click.deps.policy, None, acting.remember(at, click)
        ),
    )


def pick_type(click: Click) -> Reply:
    """The type of evidence was picked: its fields follow."""
    metadata = str((click.view or {}).get("private_metadata") or "")
    at = At.read(metadata)
    found = _seen(click, at)
    return Show(
        evidence_windows.evidence_window(
            found,
            click.deps.policy,
            click.value,
            metadata,
            sharing.find_shared(click),
            *acting.prefilled(click.deps, found),
            takes_files=acting.takes_files(click.deps),
        )
    )


def _look(click: Click, at: At) -> Reply:
    found, deps = _seen(click, at), click.deps
    if not found.can_accept:
        return Private("There is no evidence left for you to look at.")
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    drawn = figures.draw_pictures(found.can_accept)
    shown = evidence_windows.look_window(
        found.can_accept, deps.policy, today, drawn, acting.remember(at, click)
    )
    return _present(click, shown, tuple(drawn.values()))


def _waive(click: Click, at: At) -> Reply:
    deps = click.deps
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    return _present(
        click,
        evidence_windows.waive_window(
            _seen(click, at), deps.policy, today, acting.remember(at, click)
        ),
    )


def _finding(click: Click, at: At) -> Reply:
    return _present(
        click, finding_windows.finding_window(_seen(click, at), acting.remember(at, click))
    )


def open_settle(click: Click) -> Reply:
    """What becomes of a finding."""
    finding_id, _, revision = click.value.partition(":")
    try:
        number, shown = int(finding_id), int(revision)
    except ValueError:
        raise InvalidInput(OTHER_RELEASE) from None
    deps = click.deps
    with deps.db.read() as session:
        found = reads.find_finding(session, number)
        today = reads.today_of(deps.policy, deps.now(session))
        if found is None:
            raise reads.out_of_sight()
        reads.require_sight(session, click.actor, found.model_id, policy=deps.policy)
    at = At("settle", found.model_id, shown, None, number)
    return _present(
        click, finding_windows.settle_window(found, today, metadata=acting.remember(at, click))
    )


def _review(click: Click, at: At) -> Reply:
    deps, found = click.deps, _seen(click, at)
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    due = found.model.next_review.isoformat() if found.model.next_review else ""
    return _present(
        click,
        finding_windows.review_window(found.model, today, f"{acting.remember(at, click)}:{due}"),
    )


def _card(click: Click, at: At) -> Reply:
    found, deps = _seen(click, at), click.deps
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    card = model_cards.build_card(found, deps.policy, today)
    version_id = found.version.id if found.version else 0
    return _present(
        click, evidence_windows.model_card_window(card, f"{found.model.id}:{version_id}")
    )


def _classify(click: Click, at: At) -> Reply:
    found = _seen(click, at)
    is_model = found.model.own_state.value == "not_a_model"
    return _present(
        click,
        windows.classify_window(
            found.model, is_model=is_model, metadata=acting.remember(at, click)
        ),
    )


_MENU: dict[str, Callable[[Click, At], Reply]] = {
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
