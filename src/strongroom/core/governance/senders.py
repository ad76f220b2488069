"""What sends a message: a mail server over TLS, or a channel that takes Slack's webhooks.

Specs  RFC 5321 with RFC 3207 (STARTTLS) or RFC 8314 (TLS from the first byte); RFC 5322 messages.
Order  One message, one connection; a deadline for the whole of it, after which it is cut.
Trust  Nothing is sent in clear, but to a webhook of this machine. What names a host is resolved
       once, and connected to only if its address is public, or in a network that the notifier
       names: no message goes to a cloud's metadata address, or to what listens on this machine,
       by itself. Names and reasons that people wrote become text: a line break ends no header, and
       a channel is given no mark-up of theirs. Errors hold neither password nor address of a
       channel.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

import msgspec

from strongroom.base.errors import InputError, UpstreamError
from strongroom.base.network import admits
from strongroom.core.governance.telling import one_line
from strongroom.core.web import HttpWeb, UnreachableError, connect, tls_context
from strongroom.identity.governance.notices import SMTP, Notice, Notifier
from strongroom.sdk.web import Question

WITHIN: Final = timedelta(seconds=15)
MOST_AT_ONCE: Final = 4
_NAT64: Final = ip_network("64:ff9b::/96")


class SendError(Exception):
    """It was not sent; the text says why, and holds nothing that is sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A notice for one address; nothing for a channel. `link` is where one goes for it."""

    notice: Notice
    to: str
    link: str


class Senders:
    """Sends letters; what hangs keeps a few threads at most, until its deadline."""

    def __init__(self, within: timedelta = WITHIN) -> None:
        self._web = HttpWeb()
        self._within = within
        self._mail = asyncio.Semaphore(MOST_AT_ONCE)

    async def send(self, notifier: Notifier, letter: Letter) -> None:
        """Send one; SendError where that cannot be done, or not in time."""
        if notifier.kind == SMTP:
            message = mail_of(notifier, letter)
            async with self._mail:
                until = time.monotonic() + self._within.total_seconds()
                await asyncio.to_thread(_mail, notifier, letter.to, message, until)
        else:
            await self._post(notifier, letter)

    async def _post(self, notifier: Notifier, letter: Letter) -> None:
        if notifier.secret is None:
            raise SendError("it has no address")
        question = Question(
            url=notifier.secret.text(),
            method="POST",
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({"text": channel_text(letter)}),
            authorities=notifier.ca,
            within=self._within,
            most=64 * 1024,
            may_reach=lambda address: may_reach(address, notifier.networks),
        )
        try:
            answer = await self._web.ask(question)
        except (UpstreamError, InputError) as error:
            raise SendError(str(error).lstrip(": ")) from None
        if not 200 <= answer.status < 300:
            raise SendError(f"answered {answer.status}")


def may_reach(address: str, networks: tuple[str, ...]) -> bool:
    """Say whether an address may be connected to: a public one, or one in these networks."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if networks and admits(networks, str(found)):
        return True
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return may_reach(str(found.ipv4_mapped), networks)
        if found.sixtofour is not None or found.teredo is not None or found in _NAT64:
            return False  # another address in disguise
    return found.is_global and not found.is_multicast


# -- what is said


def mail_of(notifier: Notifier, letter: Letter) -> EmailMessage:
    """Return a notice as a message; SendError for an address that no message goes to."""
    message = EmailMessage(policy=SMTP_POLICY)
    try:
        message["From"] = Address(addr_spec=notifier.sender)
        message["To"] = Address(addr_spec=letter.to)
        message["Subject"] = one_line(letter.notice.title)
    except (ValueError, IndexError, MessageError):
        raise SendError("not an address that mail goes to") from None
    message["Date"] = format_datetime(letter.notice.at)
    message["Message-ID"] = f"<{letter.notice.id}@strongroom.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{letter.notice.text.rstrip()}\n\n{letter.link}\n")
    return message


def channel_text(letter: Letter) -> str:
    """Return a notice as a channel's text, in which what people wrote is no mark-up."""
    said = f"{one_line(letter.notice.title)}\n{letter.notice.text.rstrip()}"
    for mark, plain in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        said = said.replace(mark, plain)
    return f"{said}\n{letter.link}"


# -- mail, in a thread


class _Mail(smtplib.SMTP):
    """A connection to a checked address. `guard` shares it: what it shuts is shut for both."""

    guard: socket.socket | None = None

    def __init__(self, notifier: Notifier, until: float) -> None:
        self._notifier, self._until = notifier, until
        super().__init__(timeout=_left(until), local_hostname="strongroom.invalid")

    def _get_socket(self, host: str, port: int, _timeout: float) -> Any:
        networks = self._notifier.networks
        plain = connect(
            host, port, lambda: _left(self._until), lambda each: may_reach(each, networks)
        )
        self.guard = socket.socket(fileno=os.dup(plain.fileno()))
        plain.settimeout(_left(self._until))
        return plain


class _MailOverTls(_Mail):
    def _get_socket(self, host: str, port: int, _timeout: float) -> Any:
        plain = super()._get_socket(host, port, _timeout)
        try:
            return tls_context(self._notifier.ca).wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


_WHY: Final[tuple[tuple[type[Exception], str], ...]] = (  # the first that it is an instance of
    (smtplib.SMTPAuthenticationError, "did not take the password"),
    (smtplib.SMTPRecipientsRefused, "does not take mail for this address"),
    (smtplib.SMTPNotSupportedError, "lacks what is needed: TLS, or a login"),
    (ssl.SSLCertVerificationError, "showed a certificate that is not trusted"),
    (ssl.SSLError, "spoke no TLS that is taken here"),
    (UnreachableError, "is at an address that is not asked"),
    (TimeoutError, "did not answer in time"),
    (socket.gaierror, "is not known by that name"),
    (ConnectionRefusedError, "refused the connection"),
    (Exception, "closed the connection, or spoke no SMTP"),
)


def _mail(notifier: Notifier, to: str, message: EmailMessage, until: float) -> None:
    """Send a message; SendError where that fails."""
    try:
        _sent(notifier, to, message, until)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(f"{notifier.host} {_why(error, until)}") from None


def _why(error: Exception, until: float) -> str:
    if time.monotonic() >= until:
        return "did not answer in time"
    if isinstance(error, smtplib.SMTPResponseException) and not isinstance(
        error, smtplib.SMTPAuthenticationError
    ):
        return f"answered {error.smtp_code}"
    return next(why for kind, why in _WHY if isinstance(error, kind))


def _sent(notifier: Notifier, to: str, message: EmailMessage, until: float) -> None:
    over_tls = notifier.security == "tls"
    mail = (_MailOverTls if over_tls else _Mail)(notifier, until)
    cut = threading.Timer(_left(until), _shut, (mail,))
    cut.daemon = True
    cut.start()
    try:
        mail.connect(notifier.host, notifier.port)
        if not over_tls:
            mail._host = notifier.host  # type: ignore[attr-defined]  # noqa: SLF001 - for its certificate
            mail.starttls(context=tls_context(notifier.ca))
        if notifier.username and notifier.secret is not None:
            mail.login(notifier.username, notifier.secret.text())
        mail.send_message(message, from_addr=notifier.sender, to_addrs=[to])
        with suppress(smtplib.SMTPException, OSError):
            mail.quit()
    finally:
        cut.cancel()
        mail.close()
        if mail.guard is not None:
            mail.guard.close()


def _shut(mail: _Mail) -> None:
    """Cut a connection whose deadline has come, whatever its thread waits for."""
    guard = mail.guard
    if guard is not None:
        with suppress(OSError):
            guard.shutdown(socket.SHUT_RDWR)
