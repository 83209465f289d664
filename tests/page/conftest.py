"""Chromium for the page's tests, and an office to look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.office import Office

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed"
)

_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """Where a Chromium is: MLGOV_CHROMIUM, Debian's, or whatever is on the path."""
    named = os.environ.get("MLGOV_CHROMIUM")
    if named:
        return named
    if Path("/usr/bin/chromium").exists():
        return "/usr/bin/chromium"
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for the whole session."""
    path = chromium()
    if path is None:
        reason = "no Chromium was found: set MLGOV_CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def office() -> Iterator[Office]:
    """A running sandbox with its app and what was written so far."""
    office = Office()
    try:
        office.furnish()
        yield office
    finally:
        office.stop()


Opener = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, office: Office) -> Iterator[Opener]:
    """Opens the page at a hash; a script error on any page fails the test."""
    errors: list[str] = []
    contexts: list[Any] = []

    def open_(where: str = "", *, phone: bool = False) -> Any:
        size = (
            {"width": 390, "height": 844} if phone else {"width": 1280, "height": 800}
        )
        context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)
        context.set_default_timeout(6000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{office.sandbox.url}/{where}")
        page.wait_for_selector("body.ready")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert errors == []
