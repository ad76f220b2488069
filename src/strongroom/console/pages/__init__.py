"""The pages, a module for each subject, and all of them together."""

from __future__ import annotations

from strongroom.console.pages import entries, home
from strongroom.console.pages.sign_in import SignIn
from strongroom.console.visit import Page
from strongroom.core.server import Server


def console_pages(server: Server) -> tuple[Page, ...]:
    """Return every page."""
    return (*SignIn(server).pages(), *home.pages(), *entries.pages())
