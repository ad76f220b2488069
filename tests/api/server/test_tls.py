"""TLS as clients of every age meet it, and certificates: own, generated, replaced, shown."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api import client_certificates
from strongroom.api.certificates import CertificateFiles, check_certificate, generated_certificate
from strongroom.api.server import Listener
from strongroom.api.tls import ClientCertificates, ListenerTls, MinimumVersion
from strongroom.api.tls_probe import (
    LISTED_SUITES,
    VERSIONS,
    client_hello,
    handshake_matrix,
    probe_certificate,
    server_hello,
)
from strongroom.base.clock import SystemClock
from strongroom.base.errors import InputError, UpstreamError
from tests.api.server.conftest import Serve
from tests.api.server.running import Echo, Running, get

NAMES = ("localhost", "127.0.0.1", "::1")
NOW = datetime.now(UTC)


def make(
    directory: Path, *, names: tuple[str, ...] = NAMES, now: datetime = NOW
) -> CertificateFiles:
    return generated_certificate(directory, names, now, os.urandom)


def leaf(files: CertificateFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def client(ca: Path | None, shows: CertificateFiles | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if shows:
        context.load_cert_chain(shows.certificate, shows.key)
    return context


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "tls"


Listening = Callable[..., Listener]


@pytest.fixture
def listening(directory: Path) -> Listening:
    def tls(
        minimum: MinimumVersion = "1.2", *, ask: bool = False, authorities: str = ""
    ) -> Listener:
        secured = ListenerTls(
            lambda: make(directory),
            clock=SystemClock(),
            entropy=os.urandom,
            minimum=minimum,
            request_client_certificate=ask,
            authorities=authorities,
        )
        return Listener(port=0, tls=secured)

    return tls


class TestVersions:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_tls_1_2_and_1_3_are_served(
        self, serve: Serve, listening: Listening, directory: Path, version: ssl.TLSVersion
    ) -> None:
        echo = Echo()
        running = await serve(echo, listener=listening())
        context = client(directory / "ca.pem")
        context.minimum_version = context.maximum_version = version
        wire = await running.connect(context)
        for method in ("LIST", "GET"):
            assert (await wire.ask(get("/", method=method))).json["method"] == method

        seen = echo.seen[0].tls
        assert seen is not None
        assert seen.version == {771: "TLSv1.2", 772: "TLSv1.3"}[version]
        assert "GCM" in seen.cipher or "CHACHA20" in seen.cipher
        assert seen.certificate is None

    async def test_a_plain_request_to_a_tls_listener_gets_nothing(
        self, serve: Serve, listening: Listening
    ) -> None:
        echo = Echo()
        running = await serve(echo, listener=listening())
        wire = await running.connect()
        await wire.send(get("/"))

        assert b"HTTP" not in await wire.rest()
        assert echo.seen == []

    async def test_a_handshake_that_is_not_finished_is_given_up(
        self, serve: Serve, listening: Listening
    ) -> None:
        running = await serve(listener=listening(), header_seconds=0.1)
        wire = await running.connect()
        await wire.send(b"\x16\x03\x01")

        assert await wire.rest() == b""


class TestProbe:
    async def test_only_listed_suites_of_1_2_and_1_3_are_accepted(
        self, serve: Serve, listening: Listening
    ) -> None:
        running = await serve(listener=listening())
        matrix = await probe(running)

        found = {each.version: each for each in matrix}
        assert [name for name in VERSIONS if found[name].accepted] == ["TLS 1.2", "TLS 1.3"]
        assert all(each.conclusive for each in matrix)
        assert {suite for each in matrix for suite in each.suites} <= LISTED_SUITES
        assert len(found["TLS 1.2"].suites) == 3  # of six, those for an ECDSA certificate
        assert "TLS_AES_256_GCM_SHA384" in found["TLS 1.3"].suites
        assert found["TLS 1.0"].ended in {"alert protocol_version", "connection closed"}

    async def test_1_2_is_refused_where_1_3_is_the_floor(
        self, serve: Serve, listening: Listening
    ) -> None:
        running = await serve(listener=listening("1.3"))

        assert [each.version for each in await probe(running) if each.accepted] == ["TLS 1.3"]

    async def test_a_lax_listener_is_found_out(self, directory: Path) -> None:
        files = make(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.load_cert_chain(files.certificate, files.key)
        server = await asyncio.start_server(
            lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context
        )
        port = server.sockets[0].getsockname()[1]
        matrix = await asyncio.to_thread(
            handshake_matrix, ("127.0.0.1", port), entropy=os.urandom, server_name="localhost"
        )
        server.close()

        found = {each.version: each for each in matrix}
        assert not found["SSL 3.0"].accepted
        assert "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" in found["TLS 1.0"].suites
        assert "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384" in found["TLS 1.2"].suites

    async def test_silence_is_not_taken_for_a_refusal(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as never_accepts:
            matrix = await asyncio.to_thread(
                handshake_matrix,
                never_accepts.getsockname(),
                entropy=os.urandom,
                seconds=0.05,
            )

        assert [each.conclusive for each in matrix] == [False] * 5

    def test_nobody_there_is_an_error(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = ("127.0.0.1", unused.getsockname()[1])

            with pytest.raises(UpstreamError):
                handshake_matrix(address, entropy=os.urandom)
            with pytest.raises(UpstreamError):
                probe_certificate(address, ca_file=None, server_name="localhost")

    async def test_the_certificate_is_judged_as_a_client_does(
        self, serve: Serve, listening: Listening, directory: Path
    ) -> None:
        running = await serve(listener=listening())
        address, ca = ("127.0.0.1", running.port), str(directory / "ca.pem")
        good, other_name, other_ca = [
            await asyncio.to_thread(probe_certificate, address, ca_file=file, server_name=name)
            for file, name in ((ca, "localhost"), (ca, "example.com"), (None, "localhost"))
        ]

        assert good.lasts(NOW, timedelta(days=30))
        assert not good.lasts(NOW, timedelta(days=91))
        assert "example.com" in other_name.problem
        assert not other_name.valid
        assert not other_ca.lasts(NOW, timedelta(0))

    @given(st.binary(max_size=120))
    def test_no_answer_upsets_the_reader(self, message: bytes) -> None:
        assert server_hello(message) is None or message[0] == 2

    @pytest.mark.parametrize("version", VERSIONS.values())
    def test_a_hello_is_as_long_as_it_says(self, version: int) -> None:
        hello = client_hello(version, range(1, 400), os.urandom, "localhost")

        assert len(hello) == 5 + int.from_bytes(hello[3:5], "big")
        assert len(hello) == 9 + int.from_bytes(hello[6:9], "big")


async def probe(running: Running) -> list[object]:
    address = ("127.0.0.1", running.port)
    return list(
        await asyncio.to_thread(
            handshake_matrix, address, entropy=os.urandom, server_name="localhost"
        )
    )


class TestClientCertificates:
    async def test_any_certificate_is_seen_and_none_is_needed(
        self, serve: Serve, listening: Listening, directory: Path, tmp_path: Path
    ) -> None:
        stranger = make(tmp_path / "stranger")
        echo = Echo()
        listener = listening(ask=True)
        running = await serve(echo, listener=listener)
        await (await running.connect(client(directory / "ca.pem", stranger))).ask(get("/"))
        await (await running.connect(client(directory / "ca.pem"))).ask(get("/"))

        shown = [request.tls.certificate if request.tls else None for request in echo.seen]
        assert listener.tls is not None
        assert listener.tls.client_certificates is ClientCertificates.ANY
        assert shown == [leaf(stranger).public_bytes(Encoding.DER), None]
        assert echo.seen[0].tls is not None
        assert echo.seen[0].tls.chain == (shown[0],)

    async def test_where_that_cannot_be_they_are_verified(
        self,
        serve: Serve,
        listening: Listening,
        directory: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(client_certificates, "_works", lambda *_: False)
        known, stranger = make(tmp_path / "known"), make(tmp_path / "stranger")
        echo = Echo()
        # A server's certificate is none for a client, except as an authority of itself.
        listener = listening(ask=True, authorities=known.certificate.read_text())
        assert listener.tls is not None
        listener.tls.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        running = await serve(echo, listener=listener)
        wire = await running.connect(client(directory / "ca.pem", stranger))
        await wire.send(get("/"))

        assert b"HTTP" not in await wire.rest()
        assert listener.tls.client_certificates is ClientCertificates.VERIFIED
        assert echo.seen == []
        assert (
            await (await running.connect(client(directory / "ca.pem"))).ask(get("/"))
        ).status == 200

    async def test_none_is_asked_for_unless_configured(
        self, serve: Serve, listening: Listening, directory: Path, tmp_path: Path
    ) -> None:
        echo = Echo()
        running = await serve(echo, listener=listening())
        context = client(directory / "ca.pem", make(tmp_path / "stranger"))
        await (await running.connect(context)).ask(get("/"))

        assert echo.seen[0].tls is not None
        assert echo.seen[0].tls.certificate is None


class TestReload:
    async def test_new_connections_see_the_new_certificate(
        self, serve: Serve, listening: Listening, directory: Path
    ) -> None:
        listener = listening()
        running = await serve(listener=listener)
        before = await running.connect(client(directory / "ca.pem"))
        (directory / "server.pem").unlink()
        running.server.reload()
        after = await running.connect(client(directory / "ca.pem"))

        serials = [w.writer.get_extra_info("peercert")["serialNumber"] for w in (before, after)]
        assert serials[0] != serials[1]
        assert (await before.ask(get("/"))).status == 200

    async def test_files_that_cannot_serve_change_nothing(
        self, serve: Serve, listening: Listening, directory: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = await serve(listener=listening())
        (directory / "server.key").chmod(0o644)
        running.server.reload()

        assert "server.key: is open to every user" in caplog.text
        wire = await running.connect(client(directory / "ca.pem"))
        assert (await wire.ask(get("/"))).status == 200


class TestGenerated:
    def test_keys_are_for_the_owner_alone(self, directory: Path) -> None:
        make(directory)
        modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}

        assert directory.stat().st_mode & 0o777 == 0o700
        assert modes["ca.key"] == modes["server.key"] == 0o600
        assert sorted(modes) == ["ca.key", "ca.pem", "server.key", "server.pem"]

    def test_the_same_entropy_makes_the_same_names_and_keys(self, tmp_path: Path) -> None:
        keys = []
        for directory in (tmp_path / "a", tmp_path / "b"):
            files = generated_certificate(directory, NAMES, NOW, lambda n: b"\x17" * n)
            keys.append(leaf(files).public_key().public_numbers())  # type: ignore[union-attr]

        assert keys[0] == keys[1]

    def test_a_certificate_that_lasts_is_kept(self, directory: Path) -> None:
        serial = leaf(make(directory)).serial_number

        assert leaf(make(directory, now=NOW + timedelta(days=59))).serial_number == serial

    def test_one_with_less_than_thirty_days_is_made_again(self, directory: Path) -> None:
        serial = leaf(make(directory)).serial_number
        ca = (directory / "ca.pem").read_bytes()

        assert leaf(make(directory, now=NOW + timedelta(days=61))).serial_number != serial
        assert (directory / "ca.pem").read_bytes() == ca

    def test_one_for_other_names_is_made_again(self, directory: Path) -> None:
        make(directory)
        again = leaf(make(directory, names=(*NAMES, "vault.example.com")))
        names = again.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

        assert "vault.example.com" in names.get_values_for_type(x509.DNSName)

    @pytest.mark.parametrize("lost", ["ca.key", "ca.pem", "server.key", "server.pem"])
    def test_what_a_crash_left_out_is_made_again(self, directory: Path, lost: str) -> None:
        make(directory)
        (directory / lost).unlink()
        files = make(directory)

        authority = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
        leaf(files).verify_directly_issued_by(authority)
        check_certificate(files, NOW)

    def test_a_damaged_file_is_made_again(self, directory: Path) -> None:
        files = make(directory)
        files.certificate.write_text("rubbish")

        check_certificate(make(directory), NOW)

    def test_a_name_that_cannot_be_one_is_refused(self, directory: Path) -> None:
        with pytest.raises(InputError, match="cannot stand"):
            make(directory, names=("é",))


def written(path: Path, key: object, password: bytes | None = None) -> Path:
    sealed = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))  # type: ignore[attr-defined]
    path.chmod(0o600)
    return path


class TestOwnFiles:
    @pytest.mark.parametrize(
        ("spoil", "problem"),
        [
            pytest.param(lambda f: f.key.chmod(0o604), "mode 0604.*chmod 600", id="open key"),
            pytest.param(lambda f: f.key.unlink(), "cannot be read", id="no key"),
            pytest.param(lambda f: f.certificate.unlink(), "cannot be read", id="no certificate"),
            pytest.param(lambda f: f.key.write_text("x"), "no PEM private key", id="not a key"),
            pytest.param(
                lambda f: f.certificate.write_text("x"), "no PEM certificate", id="no PEM"
            ),
            pytest.param(
                lambda f: written(f.key, ec.generate_private_key(ec.SECP256R1())),
                "is not the key of",
                id="another's key",
            ),
            pytest.param(
                lambda f: written(f.key, ec.generate_private_key(ec.SECP256R1()), b"p"),
                "is encrypted",
                id="encrypted",
            ),
            pytest.param(
                lambda f: written(f.key, rsa.generate_private_key(65537, 1024)),
                "1024 bits",
                id="a short key",
            ),
        ],
    )
    def test_files_that_cannot_serve_are_refused_by_name(
        self, directory: Path, spoil: Callable[[CertificateFiles], object], problem: str
    ) -> None:
        files = make(directory)
        spoil(files)

        with pytest.raises(InputError, match=problem) as caught:
            check_certificate(files, NOW)
        assert caught.value.field in {str(files.certificate), str(files.key)}

    def test_an_expired_certificate_is_refused(self, directory: Path) -> None:
        files = make(directory)

        with pytest.raises(InputError, match="expired on"):
            check_certificate(files, NOW + timedelta(days=90))

    def test_one_of_the_future_is_refused(self, directory: Path) -> None:
        files = make(directory)

        with pytest.raises(InputError, match="not valid before"):
            check_certificate(files, NOW - timedelta(minutes=6))

    def test_a_group_may_read_the_key(self, directory: Path) -> None:
        files = make(directory)
        files.key.chmod(0o640)

        assert check_certificate(files, NOW).serial_number == leaf(files).serial_number
