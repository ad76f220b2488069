"""TLS of a listener: versions, suites, certificate, and its replacement while serving.

Specs  RFC 8446 (TLS 1.3); RFC 5246 with the suites of RFC 5289 and RFC 7905 (TLS 1.2), which all
       have forward secrecy and authenticated encryption.
Trust  A client that trusts our CA, and nobody else, can tell this server from another. Whoever
       replaces the files before a reload decides what clients see; files that cannot serve are
       refused, and what served before goes on serving.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Final, Literal

from strongroom.api.certificates import CertificateFiles, Entropy, check_certificate
from strongroom.api.client_certificates import accept_any_client_certificate
from strongroom.base.clock import Clock
from strongroom.base.errors import InputError

MinimumVersion = Literal["1.2", "1.3"]

SUITES_1_2: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)


class ClientCertificates(Enum):
    """What a listener does about certificates of clients."""

    NOT_ASKED = "not asked"
    ANY = "asked for, any taken, none judged"
    VERIFIED = "asked for, must lead to a configured authority"


class ListenerTls:
    """The TLS side of one listener.

    `source` names the files each time they are (re)loaded, so that it can renew them first.
    `authorities` is PEM, used only where this interpreter cannot leave the judging to us.
    """

    def __init__(  # noqa: PLR0913  each is one fact about the listener
        self,
        source: Callable[[], CertificateFiles],
        *,
        clock: Clock,
        entropy: Entropy,
        minimum: MinimumVersion = "1.2",
        request_client_certificate: bool = False,
        authorities: str = "",
    ) -> None:
        self._source = source
        self._clock = clock
        self._entropy = entropy
        self._minimum = minimum
        self._request = request_client_certificate
        self._authorities = authorities
        self.client_certificates = ClientCertificates.NOT_ASKED
        self.context, self.expires = self._load()
        self._current = self.context
        self.context.sni_callback = self._choose

    def reload(self) -> datetime:
        """Serve new connections with the files as they are now; return when those expire.

        Raises InputError where they cannot serve; then nothing has changed.
        """
        self._current, self.expires = self._load()
        return self.expires

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Give a new connection the certificate of today; called without SNI too."""
        connection.context = self._current

    def _load(self) -> tuple[ssl.SSLContext, datetime]:
        files = self._source()
        certificate = check_certificate(files, self._clock.now())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        floor = ssl.TLSVersion.TLSv1_3 if self._minimum == "1.3" else ssl.TLSVersion.TLSv1_2
        context.minimum_version = floor
        context.set_ciphers(":".join(SUITES_1_2))
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(files.certificate, files.key)
        except (ssl.SSLError, OSError):
            raise InputError(str(files.certificate), "OpenSSL does not take it") from None
        if self._request:
            self.client_certificates = self._ask(context)
        return context, certificate.not_valid_after_utc

    def _ask(self, context: ssl.SSLContext) -> ClientCertificates:
        if accept_any_client_certificate(context, self._clock.now(), self._entropy):
            return ClientCertificates.ANY
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self._authorities:
            context.load_verify_locations(cadata=self._authorities)
        return ClientCertificates.VERIFIED
