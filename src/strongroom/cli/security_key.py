"""A security key for a command: the console's page asks it, in a browser of this computer.

    command ──opens──▶ console/key#… ──asks──▶ key ──form──▶ 127.0.0.1 ──▶ command ──▶ server

Specs  WebAuthn Level 2; the hand-off is in the manner of RFC 8252.
Units  The browser has five minutes.
Trust  No token is ever in the browser, and no session of it is needed: it is given what the server
       wants signed, and gives back what the key signed, which is good for that one request. The
       page's address is the server's word, and must be of the host that the key is bound to. What
       the page needs stands behind `#`, which browsers send to no server; the state in it lets the
       answer in (`cli.loopback`), and of the whole the terminal and the page show the same short
       code. Who is sent such an address by somebody else sees a code that no terminal of theirs
       shows, and what their key signs goes to their own computer. Whoever can list this computer's
       processes may read the state of an address that was opened: they can spoil this one try, and
       no more, as they cannot sign. The server takes an answer once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import sys
import threading
import webbrowser
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from strongroom.cli.errors import CommandError
from strongroom.cli.loopback import HOST, Listener
from strongroom.cli.session import Session

SECONDS: Final = 300.0
MOST_KEYS: Final = 64
LOG_IN, STEP_UP, CHANGE = "login", "step-up", "change"  # what a page says that it is for
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{16,1400}")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_TRANSPORTS: Final = frozenset({"usb", "nfc", "ble", "internal", "hybrid", "cable", "smart-card"})
_NAMELESS: Final = re.compile(r"[^\w .@+:/-]")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the server wants signed: by which keys, bound to which host, asked by which page."""

    challenge: str
    host: str
    keys: tuple[tuple[str, tuple[str, ...]], ...]
    page: str

    @property
    def origin(self) -> str:
        """The page's origin, as a browser names it."""
        parts = urlsplit(self.page)
        return f"{parts.scheme}://{parts.netloc}".lower()


def answered(session: Session, way: Mapping[str, Any], *, purpose: str, who: str) -> str:
    """Return what a key answers to the `options` of a way, as JSON.

    Raises CommandError without a terminal, where the server names no page of its own, and where
    no answer came in time.
    """
    check_terminal()
    asked = read(way)
    state = secrets.token_urlsafe(32)
    listener = Listener(origin=asked.origin, state=state, fits=lambda text: fits(asked, text))

    def opened(port: int) -> None:
        url, code = address(asked, port=port, state=state, purpose=purpose, who=who)
        session.output.note(
            f"\nUse your security key in a browser, here:\n\n  {url}\n\n"
            f"Go on there only if it shows this code:  {code}\n"
            f"(A browser of another computer gets through with: ssh -L {port}:{HOST}:{port} …)"
        )
        if not session.skips_browser and has_windows(session.environment):
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    try:
        return asyncio.run(listener.answer(opened, SECONDS))
    except TimeoutError:
        raise CommandError("no browser came back in time", "try again") from None
    except OSError as problem:
        raise CommandError(f"cannot listen on {HOST}: {problem.strerror}") from None


def check_terminal() -> None:
    """Raise CommandError where nobody is there who could use a key."""
    if not sys.stdin.isatty():
        raise CommandError(
            "a security key or passkey is asked for, which needs a person and a browser",
            "run this on a terminal",
        )


def has_windows(environment: Mapping[str, str]) -> bool:
    """Say whether a browser would be a window: one in the terminal could ask no key."""
    told = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(environment.get(name) for name in told)


def decoded(answer: str) -> object:
    """Return an answer that `fits` as the object that it is."""
    found: object = json.loads(answer)
    return found


def read(way: Mapping[str, Any]) -> Asked:
    """Return what a server asks of a key, if it is what a server of ours asks."""
    options, page = way.get("options"), way.get("page")
    if not isinstance(options, dict) or not isinstance(page, str):
        raise CommandError("no security key is enrolled that could be asked", "see the console")
    challenge, host = options.get("challenge"), options.get("rpId")
    keys = options.get("allowCredentials")
    if not (_is(_TEXT, challenge) and _is(_HOST, host) and isinstance(keys, list) and keys):
        raise _strange()
    found = Asked(
        challenge=str(challenge),
        host=str(host),
        keys=tuple(_key(each) for each in keys[:MOST_KEYS]),
        page=page,
    )
    _check_page(found)
    return found


def address(asked: Asked, *, port: int, state: str, purpose: str, who: str) -> tuple[str, str]:
    """Return where the page is that asks the key, and the code that it will show."""
    told = {
        "v": 1,
        "for": purpose,
        "who": _NAMELESS.sub("", who)[:64],
        "port": port,
        "state": state,
        "challenge": asked.challenge,
        "host": asked.host,
        "keys": [[id_, *transports] for id_, transports in asked.keys],
    }
    packed = json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()
    fragment = urlsafe_b64encode(packed).rstrip(b"=")
    short = b32encode(hashlib.sha256(fragment).digest()[:5]).decode()
    return f"{asked.page}#{fragment.decode()}", f"{short[:4]}-{short[4:]}"


def fits(asked: Asked, answer: str) -> bool:
    """Say whether an answer names one of the keys, and the challenge and the page that asked.

    The server judges it; this keeps a mistake from spending the one try that a challenge is.
    """
    try:
        said = json.loads(answer)
        raw = str(said["response"]["clientDataJSON"])
        client = json.loads(urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
        named = (client["type"], client["challenge"], client["origin"])
        known = said["id"] in [id_ for id_, _ in asked.keys]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return known and named == ("webauthn.get", asked.challenge, asked.origin)


def _check_page(asked: Asked) -> None:
    """Raise CommandError for a page where the keys could not be asked, or which is not our kind."""
    try:
        parts = urlsplit(asked.page)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _strange() from None
    netloc = host if port is None else f"{host}:{port}"
    plain = parts.scheme == "http" and host == "localhost"
    ours = host == asked.host or host.endswith(f".{asked.host}")
    exact = asked.page == f"{parts.scheme}://{netloc}{parts.path}" and asked.page.isprintable()
    if not (ours and exact and (plain or parts.scheme == "https")) or " " in asked.page:
        raise _strange()


def _key(given: object) -> tuple[str, tuple[str, ...]]:
    if not isinstance(given, dict) or not _is(_TEXT, given.get("id")):
        raise _strange()
    transports = given.get("transports")
    named = transports if isinstance(transports, list) else []
    return str(given["id"]), tuple(t for t in named if isinstance(t, str) and t in _TRANSPORTS)


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _strange() -> CommandError:
    return CommandError(
        "the server asks for a security key in a way that this command does not know",
        "use the console",
    )
