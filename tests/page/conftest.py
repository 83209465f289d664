"""Chromium for the page's tests, and an office to look at."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.page.office import Office


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
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 800}
        context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)
        context.set_default_timeout(20_000)
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
