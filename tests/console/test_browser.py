"""The console in a real browser: security keys, the drawer, accessibility, themes and sizes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.console.browsing import NARROW, WIDE, Person, browsing, served_to_browsers
from tests.console.company import PASSWORD, Company, asked_by_bob, founded
from tests.servers import MissingError, Strongroom


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    try:
        with browsing() as browser:
            yield browser
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def server(chrome: Browser) -> Iterator[Strongroom]:
    with served_to_browsers() as running:
        yield running


@pytest.fixture(scope="module")
def company(server: Strongroom) -> Company:
    return founded(server)


@pytest.fixture(scope="module")
def ada(chrome: Browser, server: Strongroom, company: Company) -> Person:
    """Ada, who must have a key, has enrolled hers, and is signed in with it."""
    rule = {"groups": [company.group], "kinds": ["webauthn"]}
    assert server.ask("POST", "strongroom/factors/rules/keys", rule).status == 204
    person = Person.at(chrome, server)
    person.key()
    person.sign_in("ada", PASSWORD)
    assert person.path == "/factors"
    person.open("/factors/new/key")
    person.type(name="blue key")
    person.press("Continue")
    person.press("Enrol this key")
    person.press("Sign in again")
    person.sign_in("ada", PASSWORD)
    assert person.heading == "Your second factor"
    person.press("Use your security key")
    assert person.path == "/"
    return person


def test_a_key_is_enrolled_signs_in_steps_up_and_signs_out(
    ada: Person, company: Company, server: Strongroom
) -> None:
    ada.open("/sessions")
    assert "webauthn" in ada.page.inner_text("table")
    ada.open("/step-up?next=/people")

    ada.press("Continue with your security key")

    assert ada.path == "/people"
    ada.open(f"/registrations/{company.request}")
    ada.press("Register carol")
    assert ada.heading == "Shall carol be registered?"  # asked before she had her key
    ada.open(f"/registrations/{asked_by_bob(server, 'dora')}")
    ada.press("Register dora")
    assert ada.heading == "What became of the request for dora?"
    ada.open("/")
    ada.press("Sign out")
    assert ada.heading == "Sign in"
    ada.open("/people")
    assert ada.path == "/sign-in?next=/people"
    ada.sign_in("ada", PASSWORD)
    ada.press("Use your security key")
    assert ada.wrong == []


def test_a_proof_opens_in_the_drawer_and_escape_closes_it(ada: Person, company: Company) -> None:
    ada.open(f"/people/{company.bob}")

    ada.page.locator("main a.proof").first.click()
    ada.page.wait_for_selector("dialog[open] h1")

    assert ada.page.inner_text("dialog h1").startswith("What does entry ")
    assert "strongroom log proof" in ada.page.inner_text("dialog")
    ada.page.keyboard.press("Escape")
    assert ada.page.locator("dialog[open]").count() == 0
    assert ada.wrong == []


def test_the_keyboard_goes_to_pages_and_to_the_search(ada: Person) -> None:
    ada.open("/")

    with ada.page.expect_navigation():
        ada.page.keyboard.type("gp")
    ada.page.keyboard.press("/")

    assert ada.path == "/people"
    assert ada.page.evaluate("document.activeElement.id") == "q"
    assert ada.wrong == []


def test_pages_work_without_script(
    chrome: Browser, server: Strongroom, company: Company, ada: Person
) -> None:
    state = ada.context.storage_state()
    plain = Person.at(chrome, server, java_script_enabled=False, storage_state=state)

    plain.open("/groups/new")
    plain.type(name="plain", policies="default")
    plain.press("Make the group")

    assert plain.heading == "Who is in plain?"
    assert plain.wrong == []


PAGES = (
    "/",
    "/people",
    "/people?q=nobody",
    "/people/{bob}",
    "/people/{bob}/edit",
    "/people/{bob}/leave",
    "/workloads",
    "/workloads/{deploy}",
    "/workloads/{deploy}/edit",
    "/workloads/{deploy}/decommission",
    "/groups",
    "/groups/new",
    "/groups/{group}",
    "/groups/{group}/edit",
    "/groups/{group}/delete",
    "/registrations",
    "/registrations/{request}",
    "/registrations/new/person",
    "/registrations/new/workload",
    "/factors",
    "/factors/new/app",
    "/factors/new/key",
    "/factors/recovery",
    "/sessions",
    "/step-up",
    "/entries/3",
    "/people/none",
)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_fault_in_either_theme_at_either_size(
    ada: Person, company: Company, theme: str
) -> None:
    faults = []
    ada.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for size in (WIDE, NARROW):
        ada.page.set_viewport_size(size)  # type: ignore[arg-type]
        for pattern in PAGES:
            ada.open(pattern.format(**vars(company)))
            faults += ada.faults()
            if ada.overflows():
                faults.append(f"{ada.path} is wider than {size['width']} px")
    ada.page.set_viewport_size(WIDE)  # type: ignore[arg-type]

    assert faults == []
    assert ada.wrong == []


def test_the_way_in_has_no_fault(chrome: Browser, server: Strongroom, company: Company) -> None:
    for theme in ("light", "dark"):
        bob = Person.at(chrome, server, color_scheme=theme, viewport=NARROW)
        bob.open("/sign-in")
        faults = bob.faults()
        bob.sign_in("bob", "wrong")
        faults += bob.faults()

        assert bob.page.inner_text(".errors h2").endswith("That was not done")
        assert bob.page.evaluate("document.activeElement.className") == "errors"
        assert faults == []
        assert bob.wrong == []
        bob.context.close()
