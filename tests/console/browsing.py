"""Chromium, as a person uses it: a page, a security key in software, and what is wrong with a page.

Trust  The browser is Debian's, headless, with a profile that is thrown away; it talks to loopback.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests import servers
from tests.servers import Strongroom

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def chromium() -> Path:
    """Return the program. MissingError where it is not installed and cannot be."""

    def found() -> Path | None:
        path = shutil.which("chromium")
        return None if path is None else Path(path)

    return servers.obtained("Chromium", "chromium", found)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser."""
    program = chromium()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served_to_browsers(tables: str = "") -> Iterator[Strongroom]:
    """Give a server whose console knows its own address."""
    with servers.strongroom(initialized=False) as server:
        server.stop()
        server.extra_tables = f'[console]\nurl = "http://localhost:{server.port}"\n{tables}'
        server.start()
        server.initialize()
        yield server


@dataclass(kw_only=True)
class Person:
    """Somebody at a browser. `wrong` is what the browser complained of."""

    address: str
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, browser: Browser, server: Strongroom, **wanted: Any) -> Person:
        """Sit down at a browser that nobody has used."""
        context = browser.new_context(**{"viewport": WIDE, **wanted})
        page = context.new_page()
        person = cls(address=f"http://localhost:{server.port}", context=context, page=page)
        page.on("console", person._heard)
        page.on("pageerror", lambda error: person.wrong.append(str(error)))
        return person

    def _heard(self, message: ConsoleMessage) -> None:
        refusals = "the server responded with a status of 4"  # a page that says no is no fault
        if message.type in ("error", "warning") and refusals not in message.text:
            self.wrong.append(message.text)

    def key(self) -> None:
        """Plug in a security key that its owner unlocks and touches."""
        session = self.context.new_cdp_session(self.page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        session.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    def open(self, path: str) -> None:
        """Open a page."""
        self.page.goto(f"{self.address}{path}")

    def press(self, words: str) -> None:
        """Press a button, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=words).first.click()

    def type(self, **fields: str) -> None:
        """Fill in a form."""
        for name, value in fields.items():
            self.page.fill(f"[name={name}]", value)

    def sign_in(self, name: str, password: str) -> None:
        """Sign in by name and password."""
        self.open("/sign-in")
        self.type(name=name, password=password)
        self.press("Sign in")

    @property
    def heading(self) -> str:
        """What the page asks."""
        return self.page.inner_text("h1")

    @property
    def path(self) -> str:
        """Where they are."""
        return self.page.url.removeprefix(self.address)

    def faults(self) -> list[str]:
        """Return what axe finds, by rule and place."""
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": LEVELS}})
        return [
            f"{self.path}: {rule['id']}: {node['target']} {node.get('failureSummary', '')[:300]}"
            for rule in found.response["violations"]
            for node in rule["nodes"]
        ]

    def overflows(self) -> bool:
        """Say whether the page is wider than the window."""
        measured: bool = self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return measured
