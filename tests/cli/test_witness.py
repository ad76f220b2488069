"""`strongroom witness`: what it cosigns, what it remembers, and what it refuses."""

from __future__ import annotations

import http.client
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.audit.witness_state import Head
from strongroom.base.secret import Secret
from strongroom.cli.errors import CommandError
from strongroom.cli.witness_files import Memory, decode_key, encode_key, held, read_key
from strongroom.crypto.checkpoint import open_checkpoint
from strongroom.crypto.merkle import consistency_proof, leaf_hash, root_of
from strongroom.crypto.note import SignatureType, SigningKey, VerifierKey
from tests.audit.published import LOG, checkpoint, entries, publish
from tests.cli.conftest import PROGRAM, Shell

VKEY = str(LOG.verifier())


def proof(old: int, logged: Sequence[bytes]) -> list[bytes]:
    """Return the consistency proof over entries that are all at hand."""
    leaves = [leaf_hash(entry) for entry in logged]
    return consistency_proof(
        old, len(logged), lambda level, n: root_of(leaves[n << level : (n + 1) << level])
    )


def request(old: int, logged: Sequence[bytes]) -> bytes:
    """Return the body of add-checkpoint."""
    hashes = proof(old, logged) if 0 < old < len(logged) else []
    lines = [f"old {old}", *(b64encode(one).decode() for one in hashes)]
    return "\n".join([*lines, "", ""]).encode() + checkpoint(logged)


@pytest.fixture
def files(nowhere: Shell, tmp_path: Path) -> tuple[str, str]:
    """The options of a witness that watches the log."""
    key, state = f"-key={tmp_path}/key", f"-state={tmp_path}/state"
    nowhere.ok("witness", "keygen", "witness.example/w", key)
    nowhere.ok("witness", "add", f"-log-vkey={VKEY}", state)
    return key, state


def vkey_of(tmp_path: Path) -> VerifierKey:
    return read_key(tmp_path / "key").verifier(SignatureType.COSIGNATURE)


class TestPull:
    def test_a_checkpoint_comes_back_with_our_signature(
        self, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        publish(tmp_path / "log", entries(300))

        note = nowhere.ok("witness", "pull", *files, str(tmp_path / "log")).out.encode()

        opened = open_checkpoint(note, [LOG.verifier()], [vkey_of(tmp_path)])
        assert opened.checkpoint.size == 300
        assert opened.signed_by[1].time is not None

    def test_a_log_that_grew_is_cosigned_again(
        self, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        for size in (300, 300, 700):
            publish(tmp_path / "log", entries(size))
            nowhere.ok("witness", "pull", *files, "-o", f"{tmp_path}/n", str(tmp_path / "log"))

        assert nowhere.ok("witness", "list", files[1], "-format=json").data == [
            {"origin": LOG.name, "size": 700, "keys": 1}
        ]

    @pytest.mark.parametrize("count", [299, 300, 500])
    def test_another_history_is_refused_with_status_3(
        self, count: int, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        publish(tmp_path / "log", entries(300))
        nowhere.ok("witness", "pull", *files, str(tmp_path / "log"))
        publish(tmp_path / "other", [b"rewritten", *entries(count - 1)])

        done = nowhere("witness", "pull", *files, str(tmp_path / "other"))

        assert (done.code, done.out) == (3, "")
        assert nowhere.ok("witness", "list", files[1], "-format=json").data[0]["size"] == 300

    def test_a_log_that_nobody_added_is_refused(
        self, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        publish(tmp_path / "log", entries(3), SigningKey("other.example", Secret(b"x" * 32)))

        done = nowhere("witness", "pull", *files, str(tmp_path / "log"))

        assert "this log is not watched; add it with `witness add --log-vkey`" in done.err


@contextmanager
def serving(shell: Shell, files: tuple[str, str]) -> Iterator[http.client.HTTPConnection]:
    command = [*PROGRAM, "witness", "serve", *files, "-listen=127.0.0.1:0"]
    with subprocess.Popen(
        command,
        env=shell.full_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            address = process.stdout.readline().removesuffix("/add-checkpoint\n")
            port = int(address.rpartition(":")[2])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            yield connection
            connection.close()
        finally:
            process.terminate()
            process.communicate()


def post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, str, bytes]:
    connection.request("POST", "/add-checkpoint", body=body)
    response = connection.getresponse()
    return response.status, response.headers["Content-Type"], response.read()


class TestServe:
    def test_a_log_gets_its_cosignatures_and_the_witness_remembers_across_a_kill(
        self, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        with serving(nowhere, files) as connection:
            first = post(connection, request(0, entries(10)))
            stale = post(connection, request(0, entries(20)))
        with serving(nowhere, files) as connection:
            again = post(connection, request(0, entries(20)))
            grown = post(connection, request(10, entries(20)))

        assert first[0] == grown[0] == 200
        assert first[2].decode().startswith("— witness.example/w ")
        assert stale == again == (409, "text/x.tlog.size", b"10\n")

    def test_a_fork_is_refused_and_its_proof_is_kept(
        self, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        fork = request(10, [b"rewritten", *entries(9)])
        with serving(nowhere, files) as connection:
            post(connection, request(0, entries(10)))
            status, _, _ = post(connection, fork)

        assert status == 409
        assert [file.read_bytes() for file in (tmp_path / "state.evidence").iterdir()] == [fork]

    @pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"x" * 2_000_000, 413)])
    def test_what_is_no_request_is_refused(
        self, body: bytes, status: int, nowhere: Shell, files: tuple[str, str]
    ) -> None:
        with serving(nowhere, files) as connection:
            try:
                answer = post(connection, body)[0]
            except ConnectionError:  # it need not read a body that is too large
                answer = 413

        assert answer == status

    def test_two_witnesses_do_not_share_a_state(
        self, nowhere: Shell, files: tuple[str, str]
    ) -> None:
        with serving(nowhere, files):
            done = nowhere("witness", "serve", *files, "-listen=127.0.0.1:0")

        assert done.code == 1
        assert "is in use by another witness" in done.err


class TestFiles:
    def test_a_key_is_its_owners_alone(
        self, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
        (tmp_path / "key").chmod(0o644)

        done = nowhere("witness", "pull", *files, str(tmp_path))

        assert "can be read by others; chmod 600" in done.err

    def test_a_key_file_is_not_replaced(
        self, nowhere: Shell, files: tuple[str, str], tmp_path: Path
    ) -> None:
        before = (tmp_path / "key").read_text()

        assert nowhere("witness", "keygen", "x", files[0]).code == 1
        assert (tmp_path / "key").read_text() == before

    @given(st.binary(min_size=32, max_size=32))
    def test_a_key_comes_back_from_its_line(self, seed: bytes) -> None:
        line = encode_key("w.example", Secret(seed))

        assert decode_key(line).verifier() == SigningKey("w.example", Secret(seed)).verifier()

    @given(st.text() | st.builds(lambda t: f"PRIVATE+KEY+w+00000000+{t}", st.text()))
    def test_any_other_line_is_refused(self, line: str) -> None:
        with pytest.raises(CommandError, match="the key file is not"):
            decode_key(line)

    @given(
        st.dictionaries(
            st.sampled_from(["a.example", "b.example/x"]),
            st.none() | st.tuples(st.integers(0, 2**62), st.binary(min_size=32, max_size=32)),
        )
    )
    def test_a_memory_comes_back_from_its_bytes(
        self, seen: dict[str, tuple[int, bytes] | None]
    ) -> None:
        memory = Memory()
        for origin, head in seen.items():
            memory = memory.with_log(SigningKey(origin, Secret(b"k" * 32)).verifier())
            if head is not None:
                memory = memory.with_head(Head(origin=origin, size=head[0], root=head[1]))

        assert Memory.decode(memory.encode()) == memory

    @given(st.binary())
    def test_a_memory_that_cannot_be_read_is_an_error_and_no_new_start(self, data: bytes) -> None:
        with pytest.raises(CommandError, match="restore it"):
            Memory.decode(data)

    @pytest.mark.parametrize(
        "change",
        [
            ('"size": 3', '"size": true'),
            ('"size": 3', '"size": -3'),
            ('"size": 3,', ""),
            ('"format": 1', '"format": 2'),
            ('"root": "', '"root": "00'),
        ],
    )
    def test_a_memory_that_was_edited_is_refused(self, change: tuple[str, str]) -> None:
        memory = Memory().with_log(LOG.verifier())
        data = memory.with_head(Head(origin=LOG.name, size=3, root=b"r" * 32)).encode().decode()
        edited = data.replace(*change)

        assert edited != data
        with pytest.raises(CommandError):
            Memory.decode(edited.encode())

    def test_the_state_on_disk_is_whole_whenever_the_process_dies(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "state"
        with held(path) as file:
            file.store(Memory().with_log(LOG.verifier()))
        before = path.read_bytes()

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        for step in ("os.fsync", "pathlib.Path.replace"):
            with monkeypatch.context() as patched, held(path) as file:
                patched.setattr(step, dies)
                with pytest.raises(KeyboardInterrupt):
                    file.store(file.memory.with_head(Head(origin=LOG.name, size=1, root=b"r" * 32)))
            assert path.read_bytes() == before
