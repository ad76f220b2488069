"""A security key for the command line, end to end: our program, a real browser, our server."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from strongroom.cli import token_file
from tests.cli.conftest import Shell
from tests.console.browsing import NARROW, WIDE, Person, browsing, served_to_browsers
from tests.console.company import ADMIN, PASSWORD
from tests.servers import MissingError, Strongroom

READY = "gets through with: ssh -L"
LOGIN = ("login", "-method=userpass", "username=ada", f"password={PASSWORD}")


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
        running.ask("POST", "sys/auth/userpass", {"type": "userpass"})
        running.ask("PUT", "sys/policies/acl/admin", {"policy": ADMIN})
        user = {"password": PASSWORD, "token_policies": ["admin"]}
        assert running.ask("POST", "auth/userpass/users/ada", user).status == 204
        yield running


def shell_of(server: Strongroom, home: Path) -> Shell:
    browser = home / "browser"
    browser.write_text('#!/bin/sh\nprintf "%s\\n" "$1" >> "$HOME/opened"\n')
    browser.chmod(0o700)
    return Shell(home, STRONGROOM_ADDR=server.address, BROWSER=str(browser))


@pytest.fixture(scope="module")
def ada(chrome: Browser, server: Strongroom) -> Person:
    """Ada at a browser in which nobody is signed in; her key is there, and is all that she has."""
    rule = {"policies": ["admin"], "kinds": ["webauthn"]}
    assert server.ask("POST", "strongroom/factors/rules/keys", rule).status == 204
    person = Person.at(chrome, server)
    person.key()
    person.sign_in("ada", PASSWORD)
    person.open("/factors/new/key")
    person.type(name="blue key")
    person.press("Continue")
    person.press("Enrol this key")
    person.context.clear_cookies()
    return person


@pytest.fixture
def shell(server: Strongroom, tmp_path: Path) -> Shell:
    return shell_of(server, tmp_path)


@dataclass
class Hand:
    """Opens the address that a terminal shows, compares the code, and uses the key."""

    person: Person
    page: str = ""
    url: str = ""
    sent: list[str] = field(default_factory=list)

    def __call__(self, shown: str) -> str:
        [url] = re.findall(r"http://localhost:\d+/key#[\w-]+", shown)
        [code] = re.findall(r"this code:\s+([A-Z2-7]{4}-[A-Z2-7]{4})", shown)
        self.url = url
        page = self.person.page
        page.on("request", lambda request: self.sent.append(f"{request.url} {request.post_data}"))
        page.goto("about:blank")
        page.goto(url)
        page.wait_for_selector("[data-asked]:visible")
        assert page.inner_text("[data-code]") == code
        self.page = page.inner_text("[data-asked]")
        assert "#" not in page.url  # it does not stay in the history
        with page.expect_navigation(url="http://127.0.0.1:*/key"):
            page.get_by_role("button", name="The code is the same").click()
        assert "go back to it" in page.inner_text("body")
        return ""


@pytest.fixture(scope="module")
def before(server: Strongroom, ada: Person, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A terminal of Ada's whose session has shown no factor: a token that her login has made."""
    shell = shell_of(server, tmp_path_factory.mktemp("before"))
    shell.terminal(*LOGIN, answers=[(READY, Hand(ada))])
    made = shell.ok("write", "-field=token", "auth/token/create", "ttl=1h").out.strip()
    shell.environment["STRONGROOM_TOKEN"] = made
    shell.ok("write", "strongroom/sessions", "surface=cli")
    return shell


def test_who_has_only_a_key_logs_in_to_the_command_line_and_steps_up(
    ada: Person, shell: Shell
) -> None:
    hand, again = Hand(ada), Hand(ada)

    done = shell.terminal(*LOGIN, answers=[(READY, hand)])
    stepped = shell.terminal("step-up", "--no-browser", answers=[(READY, again)])

    assert (done.code, stepped.code) == (0, 0), (done.out, stepped.out)
    assert "logged in to" in done.out
    assert "to log in as ada" in hand.page
    assert "a fresh factor was shown" in stepped.out
    assert "to go on with what wants a fresh factor as userpass-ada" in again.page
    listed = shell.ok("session", "list", "-format=json").data.values()
    [session] = [each for each in listed if each["current"]]
    assert (session["surface"], session["factors"]) == ("cli", ["webauthn"])
    token = token_file.find(shell.home)
    assert token is not None
    assert not [each for each in (*hand.sent, *again.sent) if token.text() in each]
    assert (shell.home / "opened").read_text() == f"{hand.url}\n"  # and not the other
    assert ada.context.cookies() == []
    assert ada.wrong == []


def test_a_command_that_wants_a_fresh_factor_asks_the_key_and_goes_on(
    ada: Person, before: Shell
) -> None:
    write = ("write", "sys/policies/acl/mine", 'policy=path "a" { capabilities = ["read"] }')

    piped = before(*write)
    done = before.terminal(*write, answers=[(READY, Hand(ada))])

    assert (piped.code, "a fresh factor is needed here" in piped.err) == (2, True)
    assert done.code == 0, done.out
    assert "sys/policies/acl/mine written" in done.out


def test_who_has_codes_as_well_may_choose(ada: Person, before: Shell, shell: Shell) -> None:
    made = before.terminal("factor", "recovery-codes", answers=[(READY, Hand(ada))])
    first, second, *_ = re.findall(r"^[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}$", made.out, re.MULTILINE)
    question = "or Enter for your security key: "

    typed = before.terminal("step-up", answers=[(question, first)])
    keyed = before.terminal("step-up", answers=[(question, ""), (READY, Hand(ada))])

    assert (made.code, typed.code, keyed.code) == (0, 0, 0), (typed.out, keyed.out)
    assert before.ok("step-up", given=f"{second}\n").out == "✓ a fresh factor was shown\n"


def test_without_a_terminal_it_says_what_it_takes(ada: Person, shell: Shell) -> None:
    plain, as_json = shell(*LOGIN), shell(*LOGIN, "-format=json")

    for run in (plain, as_json):
        assert run.code == 1
        assert run.out == ""
        assert "a security key or passkey is asked for" in run.err
        assert "run this on a terminal" in run.err
    assert token_file.find(shell.home) is None


POSTING = """(to) => new Promise((done) => {
  addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
  const form = document.querySelector("main form");
  form.action = to;
  form.submit();
  setTimeout(() => done("it went"), 5000);
})"""


def packed(**changed: Any) -> str:
    """Return what stands behind the # of an address, with something else in it."""
    told: dict[str, Any] = {
        "v": 1,
        "for": "login",
        "who": "ada",
        "port": 40_000,
        "state": "s" * 43,
        "challenge": "c" * 43,
        "host": "localhost",
        "keys": [["k" * 43, "usb"]],
    }
    told = {name: value for name, value in {**told, **changed}.items() if value is not None}
    return urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()


HOSTILE = (
    "x",
    "%3Cb%3E",
    "A" * 65_537,
    urlsafe_b64encode(b"\xff\xfe").decode().rstrip("="),
    urlsafe_b64encode(b"null").decode().rstrip("="),
    urlsafe_b64encode(b"[1]").decode().rstrip("="),
    packed(v=2),
    packed(v="1"),
    packed(**{"for": "constructor"}),
    packed(who="<b>ada</b>"),
    packed(who="ada\u202e"),
    packed(who="a" * 65),
    packed(who=["ada"]),
    packed(port=80),
    packed(port=65_536),
    packed(port=1.5),
    packed(port="40000"),
    packed(port="40000@evil.example/"),
    packed(state="short"),
    packed(state=None),
    packed(challenge="c c" * 20),
    packed(host="evil.example"),
    packed(host="LOCALHOST"),
    packed(keys=[]),
    packed(keys=[["k" * 43]] * 65),
    packed(keys=[["k" * 43, "telepathy"]]),
    packed(keys=[[["k" * 43]]]),
    packed(keys={"0": ["k" * 43]}),
    packed(action="https://evil.example/"),
    packed(__proto__={"port": 40_000}),
)


SHOWN_EACH = """async (texts) => {
  const asked = document.querySelector("[data-asked]");
  const nothing = document.querySelector("[data-nothing]");
  const open = async (text, seen) => {
    location.hash = text;
    for (let left = 200; left && !seen(); left -= 1) await new Promise((r) => setTimeout(r, 5));
    return seen();
  };
  const wrong = [];
  for (const [at, { good, bad }] of texts.entries()) {
    if (!await open(good, () => !asked.hidden)) wrong.push(`${at}: a good one is not shown`);
    if (!await open(bad, () => asked.hidden)) wrong.push(`${at}: a bad one is shown`);
    if (!nothing.textContent.includes("not made by strongroom")) wrong.push(`${at}: not said`);
    if (document.querySelector("main b")) wrong.push(`${at}: markup`);
  }
  return wrong;
}"""


def test_an_address_that_our_program_did_not_make_asks_no_key(
    chrome: Browser, server: Strongroom
) -> None:
    person = Person.at(chrome, server)
    person.open("/key")
    good = packed()

    wrong = person.page.evaluate(SHOWN_EACH, [{"good": good, "bad": bad} for bad in HOSTILE])

    assert wrong == []
    assert person.path == "/key"
    assert person.wrong == []
    person.context.close()


def test_the_page_sends_what_it_has_to_this_computer_and_nowhere_else(
    chrome: Browser, server: Strongroom
) -> None:
    person = Person.at(chrome, server)
    person.open("/key")

    elsewhere = (
        f"{person.address}/sign-in",
        "http://192.0.2.1:40000/key",
        "https://127.0.0.1.evil.example/key",
    )
    stopped = [person.page.evaluate(POSTING, to) for to in elsewhere]

    assert stopped == ["form-action"] * len(elsewhere)
    assert person.path == "/key"
    person.context.close()


def test_the_page_has_no_fault_in_either_theme_at_either_size(
    chrome: Browser, server: Strongroom
) -> None:
    for theme, size in (("light", WIDE), ("dark", NARROW)):
        person = Person.at(chrome, server, color_scheme=theme, viewport=size)
        person.open(f"/key#{packed()}")
        person.page.wait_for_selector("[data-asked]:visible")

        faults = person.faults()

        assert not person.overflows()
        assert faults == []
        assert person.wrong == []
        person.context.close()


def test_what_is_packed_here_is_what_the_program_packs(ada: Person, shell: Shell) -> None:
    seen: list[dict[str, Any]] = []

    def read(shown: str) -> str:
        [text] = re.findall(r"/key#([\w-]+)", shown)
        seen.append(json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))))
        return Hand(ada)(shown)

    shell.terminal(*LOGIN, answers=[(READY, read)])

    [told] = seen
    ours = json.loads(urlsafe_b64decode(packed() + "=="))
    assert told.keys() == ours.keys()
    assert (told["host"], told["who"], told["for"]) == ("localhost", "ada", "login")
    assert "token" not in json.dumps(told)
