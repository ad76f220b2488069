"""The pages, a module for each subject, and all of them together."""

from __future__ import annotations

from strongroom.console.pages import (
    access,
    break_glass,
    changes,
    documents,
    entities,
    entries,
    exceptions,
    groups,
    home,
    people,
    registrations,
    requests,
    sessions,
    workloads,
)
from strongroom.console.pages.factors import Factors
from strongroom.console.pages.key import Key
from strongroom.console.pages.providers import Providers
from strongroom.console.pages.sign_in import SignIn
from strongroom.console.pages.step_up import StepUp
from strongroom.console.visit import Page
from strongroom.core.server import Server


def console_pages(server: Server) -> tuple[Page, ...]:
    """Return every page."""
    return (
        *SignIn(server).pages(),
        *Providers(server).pages(),
        *StepUp(server).pages(),
        *Key(server).pages(),
        *home.pages(),
        *Factors(server).pages(),
        *sessions.pages(),
        *people.pages(),
        *workloads.pages(),
        *entities.pages(),
        *groups.pages(),
        *access.pages(),
        *registrations.pages(),
        *requests.pages(),
        *changes.pages(),
        *break_glass.pages(),
        *documents.pages(),
        *exceptions.pages(),
        *entries.pages(),
    )
