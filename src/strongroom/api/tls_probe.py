"""Which versions and suites of TLS a listener accepts, found by asking it.

Specs  ClientHello and ServerHello of RFC 6101 (SSL 3.0), RFC 2246, 4346, 5246 and 8446. SSL 2.0
       has a hello of its own, is in no library any more, and is not asked for.
Trust  The hellos are written here, so that the answer does not depend on what the OpenSSL of this
       machine is still willing to say. No handshake is completed and no key is used: what is
       learnt is what the listener *chose*. A listener that answers a probe otherwise than a
       client could hide something; our own is probed by us, on the machine where it runs.

Each version is offered with every suite that ever belonged to it; the one chosen is struck off,
and the rest offered again, until none is taken. So the list of accepted suites is complete, and
a refused version takes one connection.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.base.errors import UpstreamError

Entropy = Callable[[int], bytes]

VERSIONS: Final = {
    "SSL 3.0": 0x0300,
    "TLS 1.0": 0x0301,
    "TLS 1.1": 0x0302,
    "TLS 1.2": 0x0303,
    "TLS 1.3": 0x0304,
}
_TLS_1_3 = 0x0304

SUITES: Final = {
    0x0001: "TLS_RSA_WITH_NULL_MD5",
    0x0002: "TLS_RSA_WITH_NULL_SHA",
    0x0004: "TLS_RSA_WITH_RC4_128_MD5",
    0x0005: "TLS_RSA_WITH_RC4_128_SHA",
    0x0009: "TLS_RSA_WITH_DES_CBC_SHA",
    0x000A: "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0016: "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0018: "TLS_DH_anon_WITH_RC4_128_MD5",
    0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA",
    0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    0x0034: "TLS_DH_anon_WITH_AES_128_CBC_SHA",
    0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
    0x0039: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    0x003A: "TLS_DH_anon_WITH_AES_256_CBC_SHA",
    0x003B: "TLS_RSA_WITH_NULL_SHA256",
    0x003C: "TLS_RSA_WITH_AES_128_CBC_SHA256",
    0x003D: "TLS_RSA_WITH_AES_256_CBC_SHA256",
    0x0067: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    0x006B: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    0x009C: "TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x009D: "TLS_RSA_WITH_AES_256_GCM_SHA384",
    0x009E: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    0x009F: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
    0xC007: "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    0xC008: "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
    0xC009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xC00A: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC011: "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    0xC012: "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xC014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xC018: "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
    0xC019: "TLS_ECDH_anon_WITH_AES_256_CBC_SHA",
    0xC023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    0xC027: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0xC028: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xC0AC: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    0xC0AD: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAA: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}

LISTED_SUITES: Final = frozenset(
    SUITES[code]
    for code in (0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9)
)

_OFFERED: Final = {
    True: tuple(range(0x1301, 0x1308)),
    False: (*range(0x0001, 0x00FF), *range(0xC001, 0xC100), *range(0xCCA8, 0xCCAF)),
}
_RENEGOTIATION_SCSV = 0x00FF
_ALGORITHMS: Final = (
    *(0x0403, 0x0503, 0x0603),  # ECDSA
    *(0x0804, 0x0805, 0x0806),  # RSA-PSS
    *(0x0807, 0x0401, 0x0501, 0x0601),  # Ed25519, RSA
    *(0x0203, 0x0201),  # with SHA-1
)
_ALERTS: Final = {
    10: "unexpected_message",
    40: "handshake_failure",
    47: "illegal_parameter",
    50: "decode_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    109: "missing_extension",
    112: "unrecognized_name",
}


@dataclass(frozen=True, kw_only=True)
class VersionProbe:
    """What became of one version.

    `suites` were accepted, in the order of the listener's choice. `ended` says how the last offer
    was refused. Where `conclusive` is false, the listener did not answer one way or the other,
    and more may be accepted than is listed.
    """

    version: str
    offered: int
    suites: tuple[str, ...]
    ended: str
    conclusive: bool

    @property
    def accepted(self) -> bool:
        """Whether the version was accepted with any suite."""
        return bool(self.suites)


@dataclass(frozen=True, kw_only=True)
class CertificateProbe:
    """Whether a strict client accepts the listener's certificate, and until when it lasts."""

    valid: bool
    problem: str
    expires: datetime | None

    def lasts(self, now: datetime, at_least: timedelta) -> bool:
        """Say whether a valid certificate has so long left."""
        return self.valid and self.expires is not None and self.expires - now > at_least


def handshake_matrix(
    address: tuple[str, int],
    *,
    entropy: Entropy,
    server_name: str = "",
    seconds: float = 5.0,
) -> tuple[VersionProbe, ...]:
    """Probe each version of TLS with each suite; blocks for as long as the listener does.

    Raises UpstreamError when nobody listens there.
    """
    return tuple(_probe(address, version, entropy, server_name, seconds) for version in VERSIONS)


def probe_certificate(
    address: tuple[str, int], *, ca_file: str | None, server_name: str, seconds: float = 5.0
) -> CertificateProbe:
    """Connect as a client that trusts `ca_file` alone (None: the machine's own list)."""
    context = ssl.create_default_context(cafile=ca_file)
    try:
        with (
            socket.create_connection(address, timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=server_name) as secure,
        ):
            shown = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return CertificateProbe(valid=False, problem=error.verify_message, expires=None)
    except ssl.SSLError as error:
        problem = error.reason or "TLS failed"
        return CertificateProbe(valid=False, problem=problem, expires=None)
    except OSError as error:
        raise UpstreamError(f"{address[0]}:{address[1]}: {error}") from None
    ends = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    return CertificateProbe(valid=True, problem="", expires=datetime.fromtimestamp(ends, UTC))


@dataclass(frozen=True)
class _Answer:
    suite: int | None
    words: str
    conclusive: bool = True


def _probe(
    address: tuple[str, int], name: str, entropy: Entropy, server_name: str, seconds: float
) -> VersionProbe:
    version = VERSIONS[name]
    offered = list(_OFFERED[version == _TLS_1_3])
    count, accepted = len(offered), []
    while True:
        hello = client_hello(version, offered, entropy, server_name)
        answer = _offer(address, hello, version, seconds)
        if answer.suite is None or answer.suite not in offered:
            break
        offered.remove(answer.suite)
        accepted.append(SUITES.get(answer.suite, f"0x{answer.suite:04X}"))
    return VersionProbe(
        version=name,
        offered=count,
        suites=tuple(accepted),
        ended=answer.words,
        conclusive=answer.conclusive and answer.suite is None,
    )


def _offer(address: tuple[str, int], hello: bytes, version: int, seconds: float) -> _Answer:
    try:
        connection = socket.create_connection(address, timeout=seconds)
    except OSError as error:
        raise UpstreamError(f"{address[0]}:{address[1]}: {error}") from None
    with connection:
        try:
            connection.sendall(hello)
            return _read_answer(connection, version)
        except TimeoutError:
            return _Answer(None, "no answer in time", conclusive=False)
        except OSError:
            return _Answer(None, "connection reset")


def _read_answer(connection: socket.socket, version: int) -> _Answer:
    """Read the first record, and of a handshake the whole first message."""
    kind, body = _record(connection)
    if kind is None:
        return _Answer(None, "connection closed")
    if kind == 21 and len(body) >= 2:
        return _Answer(None, f"alert {_ALERTS.get(body[1], str(body[1]))}")
    message = body
    while kind == 22 and len(message) < 4 + int.from_bytes(message[1:4], "big"):
        kind, more = _record(connection)
        if kind != 22:
            break
        message += more
    chosen = server_hello(message) if kind == 22 else None
    if chosen is None:
        return _Answer(None, "an answer that is not TLS", conclusive=False)
    if chosen[0] != version:
        return _Answer(None, f"another version, 0x{chosen[0]:04x}")
    return _Answer(chosen[1], "accepted")


def _record(connection: socket.socket) -> tuple[int | None, bytes]:
    header = _exactly(connection, 5)
    if len(header) < 5:
        return None, b""
    return header[0], _exactly(connection, int.from_bytes(header[3:5], "big"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        more = connection.recv(size - len(read))
        if not more:
            break
        read += more
    return read


def client_hello(version: int, suites: Sequence[int], entropy: Entropy, server_name: str) -> bytes:
    """Return a ClientHello, in its record, that offers one version and some suites."""
    modern = version == _TLS_1_3
    codes = [*suites] if modern else [*suites, _RENEGOTIATION_SCSV]
    body = struct.pack(">H", min(version, 0x0303)) + entropy(32)
    body += _sized(entropy(32) if modern else b"", 1)
    body += _sized(b"".join(struct.pack(">H", code) for code in codes), 2)
    body += _sized(b"\0", 1)  # no compression
    if version > 0x0300:
        body += _sized(_extensions(version, entropy, server_name), 2)
    message = b"\x01" + _sized(body, 3)
    return b"\x16" + struct.pack(">H", min(version, 0x0301)) + _sized(message, 2)


def _extensions(version: int, entropy: Entropy, server_name: str) -> bytes:
    groups = struct.pack(">5H", 0x001D, 0x0017, 0x0018, 0x0019, 0x0100)
    found = [(10, _sized(groups, 2)), (11, b"\x01\x00"), (23, b"")]
    if server_name:
        found.append((0, _sized(b"\0" + _sized(server_name.encode("idna"), 2), 2)))
    if version >= 0x0303:
        found.append((13, _sized(struct.pack(">12H", *_ALGORITHMS), 2)))
    if version == _TLS_1_3:
        # Any 32 bytes are a share of X25519; the secret behind it is never needed.
        share = struct.pack(">H", 0x001D) + _sized(entropy(32), 2)
        found += [(43, b"\x02" + struct.pack(">H", _TLS_1_3)), (51, _sized(share, 2))]
    return b"".join(struct.pack(">H", kind) + _sized(content, 2) for kind, content in found)


def _sized(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width, "big") + content


def server_hello(message: bytes) -> tuple[int, int] | None:
    """Return the version and suite that a ServerHello chose; None where it is none."""
    try:
        if message[0] != 2 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
            return None
        version = int.from_bytes(message[4:6], "big")
        at = 38 + 1 + message[38]
        suite = int.from_bytes(message[at : at + 2], "big")
        if at + 3 > len(message):
            return None
        at += 3 + 2
        while at + 4 <= len(message):
            kind, size = struct.unpack_from(">HH", message, at)
            if kind == 43 and size == 2:
                version = int.from_bytes(message[at + 4 : at + 6], "big")
            at += 4 + size
    except (IndexError, struct.error):
        return None
    return version, suite
