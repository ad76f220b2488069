"""Ask TLS clients for a certificate without judging it.

Vault  A client may show any certificate, or none; the cert auth method judges it at login.
Trust  OpenSSL still makes the client prove that it holds the certificate's key. That nobody
       vouches for the certificate is the point: only code that verifies it may act on it.

Python has no way to say this to OpenSSL, so it is said through ctypes, to the OpenSSL that the
`ssl` module itself is linked with, on the interpreters whose object layout is known. It is tried
out once in memory before it is relied on; where it does not work, callers verify instead.
"""

from __future__ import annotations

import ctypes
import functools
import ssl
import sys
import sysconfig
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from strongroom.api.certificates import Entropy, generated_certificate

_LAYOUT_KNOWN = ((3, 11), (3, 14))


def accept_any_client_certificate(context: ssl.SSLContext, now: datetime, entropy: Entropy) -> bool:
    """Make a server context ask for a certificate and take any; False where that cannot be.

    `now` and `entropy` are for a certificate of the trial's own.
    """
    if not _works(now, entropy):
        return False
    _accept_any(context)
    return True


def _accept_any(context: ssl.SSLContext) -> None:
    library, accept = _binding()
    context.verify_mode = ssl.CERT_OPTIONAL
    # The first field of CPython's SSLContext object is its SSL_CTX.
    native = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    library.SSL_CTX_set_cert_verify_callback(native, accept, None)


@functools.cache
def _binding() -> tuple[Any, Any]:
    """Return OpenSSL and the callback; both must outlive every context."""
    import _ssl  # noqa: PLC0415  not on every interpreter

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    library = ctypes.CDLL(_ssl.__file__)
    library.SSL_CTX_set_cert_verify_callback.argtypes = [ctypes.c_void_p, callback, ctypes.c_void_p]
    library.SSL_CTX_set_cert_verify_callback.restype = None
    return library, callback(lambda _store, _argument: 1)


def _works(now: datetime, entropy: Entropy) -> bool:
    """Try it: a handshake in memory with a certificate that nobody vouches for."""
    known = _LAYOUT_KNOWN[0] <= sys.version_info[:2] <= _LAYOUT_KNOWN[1]
    if sys.implementation.name != "cpython" or not known:
        return False
    if sysconfig.get_config_var("Py_GIL_DISABLED") or sysconfig.get_config_var("Py_DEBUG"):
        return False
    try:
        _binding()
    except (ImportError, AttributeError, OSError):
        return False
    with tempfile.TemporaryDirectory() as directory:
        files = generated_certificate(Path(directory), ["localhost"], now, entropy)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        for context in (server, client):
            context.load_cert_chain(files.certificate, files.key)
    _accept_any(server)
    try:
        return bool(_handshake(server, client).getpeercert(binary_form=True))
    except ssl.SSLError:
        return False


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Return the server's side of a handshake in memory."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(down, up)
    called = server.wrap_bio(up, down, server_side=True)
    for _ in range(6):
        for end in (caller, called):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return called
