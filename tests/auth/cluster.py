"""A stand-in for a Kubernetes API server: TokenReview over TLS, and what a bad one may do."""

from __future__ import annotations

import json
import os
import ssl
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey

from strongroom.api.certificates import generated_certificate

REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
REVIEWER = "reviewer-token"


@dataclass
class Cluster:
    """What the stand-in knows, and what it was asked. `says` is answered in place of the truth."""

    accounts: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # token: ns, name, uid
    audiences: dict[str, list[str]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    bearers: list[str] = field(default_factory=list)
    says: tuple[int, bytes] | None = None
    url: str = ""
    authorities: str = ""
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def public_key(self) -> str:
        form = PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(Encoding.PEM, form).decode()

    def token(
        self, namespace: str, name: str, uid: str = "uid-1", *, audiences: list[str] | None = None
    ) -> str:
        """Make a service account's token."""
        claims = {"sub": f"system:serviceaccount:{namespace}:{name}", "n": len(self.accounts)}
        key = ECKey.import_key(self.key)
        made = jws.serialize_compact({"alg": "ES256"}, json.dumps(claims).encode(), key)
        self.accounts[made] = (namespace, name, uid)
        self.audiences[made] = audiences or ["https://kubernetes.default.svc"]
        return made

    def review(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Answer as a cluster does."""
        spec = sent["spec"]
        known, wanted = self.accounts.get(spec["token"]), spec.get("audiences")
        own = self.audiences.get(spec["token"], [])
        common = own if wanted is None else [each for each in wanted if each in own]
        status: dict[str, Any] = {"authenticated": False, "error": "invalid bearer token"}
        if known is not None and common:
            namespace, name, uid = known
            user = {"username": f"system:serviceaccount:{namespace}:{name}", "uid": uid}
            status = {"authenticated": True, "user": user, "audiences": common}
        return {**sent, "metadata": {}, "status": status}


def unsigned(claims: object = None) -> str:
    """A token of the right form that nobody signed."""
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims or {"sub": "x"})]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, b"x"])


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Give a running stand-in on a free port of this machine."""
    made = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            made.asked.append(sent)
            bearer = self.headers["authorization"].removeprefix("Bearer ")
            made.bearers.append(bearer)
            if made.says is not None:
                self.answer(*made.says)
            elif bearer != REVIEWER and bearer not in made.accounts:
                self.answer(401, b'{"kind": "Status", "code": 401}')
            elif self.path != REVIEW:
                self.answer(404, b"{}")
            else:
                self.answer(201, json.dumps(made.review(sent)).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    files = generated_certificate(folder, ["127.0.0.1"], datetime.now(UTC), os.urandom)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    made.url = f"https://127.0.0.1:{server.server_address[1]}"
    made.authorities = (folder / "ca.pem").read_text()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
