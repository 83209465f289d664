"""Files shared with the bot become evidence, and menus over many models and projects are looked up."""

import math
from collections.abc import Sequence
from typing import Any

from bot.background import SLACK_SECONDS
from bot.inventory import api, clicks, windows, words
from bot.slack import blocks, files
from bot.slack.blocks import Block
from bot.slack.interactions import (
    EvidenceWindow,
    FileRef,
    ModelRef,
    VersionRef,
    WrongFields,
    missing_of,
)
from bot.slack.replies import Open, Private, Reply, Show
from bot.slack.requests import Click, FileShared, Router, Search, Submission
from storage.enums import ModelState
from workflows import status
from workflows.errors import InvalidInput, NotAllowed
from workflows.evidence import service
from workflows.evidence.forms import FAIRNESS
from workflows.evidence.service import Shared
from workflows.inventory import reads
from workflows.projects import reads as projects
from workflows.sources.apart import Pool, TooMuch
from workflows.sources.predictions import Columns

_CLOSED = {ModelState.APPROVAL, ModelState.RETIRED}
"""States in which evidence stands still."""
MOST_GROUP_COLUMNS = 4


def register(router: Router) -> None:
    """Answer shared files, their button and window, and the menus that are looked up."""
    router.file(offer_file)
    router.action(words.SHARED, open_shared, FileRef)
    router.action(words.PICK_VERSION, pick_version, VersionRef)
    router.search(words.PICK_VERSION, search_versions)
    router.search(words.PICK_PROJECT, search_projects)
    router.search(words.PICK_UPSTREAM, search_models)


# --- a file


def offer_file(event: FileShared) -> Reply:
    """What mlgov reads in a file, and the button that makes it evidence."""
    deps, actor = event.deps, event.actor
    if not event.file_id:
        raise InvalidInput("Slack did not say which file that is. Share it again.")
    with deps.readers.file() as reading:
        fetched = files.fetch(deps, event.file_id, owner=actor.slack_id)
        content = _understand(reading, fetched.name, fetched.data)
    shared_file = deps.act(
        actor,
        service.keep_file,
        slack_id=fetched.id,
        name=fetched.name,
        data_size=len(fetched.data),
        sha256=fetched.sha256,
        permalink=fetched.permalink,
        content=content,
    )
    return Private(f"{shared_file.name}: which evidence is it?", _offer(shared_file))


def _understand(reading: Pool, name: str, data: bytes) -> dict[str, Any]:
    """What a file says as evidence; one that takes too much to read is a document like any other."""
    if len(data) > service.MOST_READ:
        return {}
    try:
        return reading.run(api.UNDERSTAND, name, data, seconds=SLACK_SECONDS)
    except TooMuch:
        return {}


def _offer(shared_file: Shared) -> list[Block]:
    lines = [
        f"*{blocks.escape(shared_file.name, 120)}* · {_size(shared_file.size)} · `sha256:{shared_file.sha256[:12]}…`"
    ]
    lines += [blocks.escape(one, 400) for one in shared_file.sentences]
    button = blocks.button(
        "Hand it in as evidence…", words.SHARED, FileRef(shared_file.slack_id).text, style="primary"
    )
    return [
        *blocks.sections(lines),
        blocks.actions([button], block_id=f"file-{shared_file.slack_id}"),
        blocks.context(
            "Without the button nothing is handed in. With it, its digest and its link are kept, not the file, and whoever sees the model may ask me for it."
        ),
    ]


def _size(number: int) -> str:
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1000:.0f} KB" if number < 1_000_000 else f"{number / 1_000_000:.1f} MB"


def open_shared(click: Click, file: FileRef) -> Reply:
    """Which model version is it for?"""
    with click.begin_read() as ctx:
        shared_file = service.find_file(ctx.session, click.actor, file.file_id)
        if not reads.list_models(ctx):
            raise NotAllowed(
                "You see no model that it could be for. `/mlgov models` registers one."
            )
    return Open(windows.shared(shared_file))


def pick_version(click: Click, ref: VersionRef) -> Reply:
    """The version was picked: the window of evidence, with the file in it."""
    deps = click.deps
    with deps.db.read() as session:
        file = service.find_file(session, click.actor, FileRef.read(click.metadata).file_id)
    card, _ = clicks.load_model(click, ref.model_id, ref.version_id)
    version = card.version
    if version is None:
        raise ref.refusal()
    model = card.model
    window = EvidenceWindow(
        words.EVIDENCE, model.id, model.revision, version.id, version.revision, None, file.slack_id
    )
    view = windows.evidence(
        card,
        deps.policy,
        file.type,
        window.text,
        file,
        *clicks.prefilled(deps, card),
        takes_files=clicks.takes_files(deps),
    )
    return Show(view)


def load_file(asked: Submission | Click, file_id: str | None) -> Shared | None:
    """The file that a window of evidence was opened for, if it was."""
    if file_id is None:
        return None
    with asked.deps.db.read() as session:
        return service.find_file(session, asked.actor, file_id)


def read_fields(submission: Submission, file_id: str | None, type_: str) -> dict[str, Any]:
    """What the file of a sent window gives to evidence of a type: the one it was opened for, or the one put into it."""
    deps = submission.deps
    rules = deps.policy.evidence.fairness
    shared_file = load_file(submission, file_id)
    put: list[str] = submission.values.get(windows.FILE) or []

    def is_counted(file: Shared) -> bool:
        return type_ == FAIRNESS and file.has_rows and rules.rows_in_slack

    if shared_file is None and not put:
        return {}
    if shared_file is not None and not is_counted(shared_file):
        return service.list_fields(shared_file, type_)
    counted = None
    with deps.readers.file() as reading:
        wanted = shared_file.slack_id if shared_file is not None else put[0]
        fetched = files.fetch(deps, wanted, owner=submission.actor.slack_id, seconds=files.QUICK)
        if shared_file is None:
            shared_file = Shared(
                fetched.id,
                fetched.name,
                len(fetched.data),
                fetched.sha256,
                fetched.permalink,
                _understand(reading, fetched.name, fetched.data),
            )
        if is_counted(shared_file):
            asked = api.Counting(_columns(submission), shared_file.name, rules.least)
            counted = reading.run(api.COUNT, asked, fetched.data, seconds=SLACK_SECONDS)
    return service.list_fields(shared_file, type_, counted)


def _columns(submission: Submission) -> Columns:
    """Which columns of a file with rows say what, as the window asked. Raises WrongFields."""
    asked = {windows.TRUTH: "was true", windows.PREDICTION: "the model said"}
    wrong = missing_of(
        {block: f"Which column holds what {what}?" for block, what in asked.items()},
        submission.values,
    )
    cut = submission.text(windows.CUT)
    threshold = None
    try:
        threshold = float(cut) if cut else None
        if threshold is not None and not math.isfinite(threshold):
            raise ValueError
    except ValueError:
        wrong[windows.CUT] = "Write a number, like 0.5."
    groups = submission.listed(windows.GROUPS)
    if not 1 <= len(groups) <= MOST_GROUP_COLUMNS:
        wrong[windows.GROUPS] = "Name one to four columns of groups, like sex, age."
    if wrong:
        raise WrongFields(wrong)
    return Columns(
        submission.text(windows.TRUTH),
        submission.text(windows.PREDICTION),
        groups,
        submission.text(windows.POSITIVE) or None,
        threshold,
    )


# --- menus


def search_versions(search: Search) -> Sequence[tuple[str, str]]:
    """Versions in sight whose evidence can change, by the words of their model."""
    shared_file = search.read(reads.list_models, search.query)
    return [
        (
            VersionRef(model.id, one.id).text,
            f"{model.name} {one.version} · {words.STATES[one.state]}",
        )
        for model in shared_file
        for one in model.versions
        if one.state not in _CLOSED
    ]


def search_models(search: Search) -> Sequence[tuple[str, str]]:
    """Models in sight, but the one that the window is about."""
    own = ModelRef.read(search.metadata).model_id
    shared_file = search.read(reads.list_models, search.query)
    return [(one.key, one.name) for one in shared_file if one.id != own]


def search_projects(search: Search) -> Sequence[tuple[str, str]]:
    """Projects that a model may be put to, by key and name, that have the words; the actor's own first."""
    actor = search.actor
    with search.begin_read() as ctx:
        mine = projects.list_for(ctx.session, actor)
        every = (
            projects.list_all(ctx.session, actor)
            if reads.sees_all(ctx)
            else status.list_seen_projects(ctx)
        )
    keys = {one.key for one in mine}
    wanted = search.query.casefold()
    return [
        (one.key, one.name)
        for one in (*mine, *(one for one in every if one.key not in keys))
        if wanted in one.name.casefold() or wanted in one.key.casefold()
    ]
