"""The page that asks a security key on behalf of a program on the visitor's computer.

    strongroom login ──opens──▶ /key#… ──a click──▶ the key ──form──▶ http://127.0.0.1:PORT/key

Trust  Open, and the same for everybody: what a program asks for stands behind `#`, which no server
       is sent, and the page's script reads it as what anybody may have written: exact fields within
       bounds, our own host alone, text that is shown as text, a port of this computer. It asks the
       key after a click, beside words that say for what, as whom, and which code the terminal must
       show; what the key signs leaves for this computer's loopback address and for no other, which
       the page's policy holds the browser to. No session is used, and no token is anywhere in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.console.visit import Page, Shown, Visit
from strongroom.core.server import Server
from strongroom.identity.factors.authenticators import KEY_PAGE


@dataclass(frozen=True)
class Key:
    """See the module."""

    server: Server

    def pages(self) -> tuple[Page, ...]:
        """Return it."""
        return (Page(path=KEY_PAGE, get=self.ask, open=True),)

    async def ask(self, _visit: Visit) -> Shown:
        """Show it, as if nobody were signed in."""
        data = {"host": self.server.factors.party.id, "signed_in": False}
        return Shown(template="key.html", data=data, to_loopback=True)
