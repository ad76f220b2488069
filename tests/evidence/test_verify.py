"""The verifier against packs that somebody has changed: `strongroom.evidence.verify`."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import Checkpoint, LogProof, sign_checkpoint
from strongroom.crypto.merkle import Tree, inclusion_proof, leaf_hash, root_of
from strongroom.crypto.note import Note, SigningKey
from strongroom.evidence import verify
from strongroom.evidence.canonical import canonical
from tests.evidence.conftest import Taken
from tests.evidence.tampering import (
    Files,
    changed,
    joined,
    lines,
    packed,
    refitted,
    unpacked,
    verified,
)

ENTRIES = "log/entries-000000000024.jsonl"
ROWS = "populations/P08/rows.jsonl"


@pytest.fixture(scope="session")
def files(taken: Taken) -> Files:
    return unpacked(taken.path)


def swapped(one: int, other: int) -> Callable[[bytes], bytes]:
    def swap(data: bytes) -> bytes:
        found = lines(data)
        found[one], found[other] = found[other], found[one]
        return joined(found)

    return swap


def without(line: int) -> Callable[[bytes], bytes]:
    return lambda data: joined([each for at, each in enumerate(lines(data)) if at != line])


def with_items(change: Callable[[dict[str, object]], None]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        result = json.loads(data)
        change(result)
        return canonical(result)

    return edit


def fewer_rows(files: Files) -> Files:
    """Remove a row, and whatever would betray it but the log."""
    kept = lines(files[ROWS])[1:]
    tree = Tree()
    tree.append([leaf_hash(line) for line in kept])
    frozen = json.loads(files["populations/P08/frozen-root.json"])
    frozen |= {"rows": len(kept), "root": b64encode(tree.root()).decode()}
    return refitted(
        files
        | {
            ROWS: joined(kept),
            "populations/P08/frozen-root.json": canonical(frozen),
            "populations/P08/row-hashes.bin": b"".join(leaf_hash(line) for line in kept),
        }
    )


def other_results(files: Files) -> Files:
    one, other = "tests/T02/result.json", "tests/T03/result.json"
    return refitted(files | {one: files[other], other: files[one]})


def removed(name: str) -> Callable[[Files], Files]:
    return lambda files: refitted(Files({n: d for n, d in files.items() if n != name}))


def is_effective(result: dict[str, object]) -> None:
    result["verdict"] = "effective"


def has_one_more(result: dict[str, object]) -> None:
    result["population"] = int(str(result["population"])) + 1


class TestAPackAsItWasMade:
    def test_it_verifies_with_the_key_from_elsewhere(self, taken: Taken) -> None:
        said: list[str] = []

        found = verify.verify_pack(taken.path, taken.vkey, said.append)

        assert found.ok, found.faults
        assert all(line.startswith("ok ") for line in said)

    def test_without_a_key_it_says_that_it_comes_from_the_pack(self, taken: Taken) -> None:
        said: list[str] = []

        found = verify.verify_pack(taken.path, None, said.append)

        assert found.ok
        assert not found.key_given
        assert any("comes from the pack itself" in line for line in said)

    def test_the_program_in_it_verifies_it_alone(self, taken: Taken, tmp_path: Path) -> None:
        program = tmp_path / "verify.py"
        program.write_bytes(unpacked(taken.path)["verify.py"])

        ran = subprocess.run(
            [sys.executable, "-I", str(program), str(taken.path), "--vkey", taken.vkey],
            check=False,
            capture_output=True,
            text=True,
        )

        assert ran.returncode == 0, ran.stdout
        assert "verified: " in ran.stdout

    def test_it_needs_nothing_of_ours(self, taken: Taken) -> None:
        source = unpacked(taken.path)["verify.py"].decode()

        assert "import strongroom" not in source
        assert "from strongroom" not in source


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        pytest.param(changed(ENTRIES, without(5)), "entry 29 is removed", id="an entry removed"),
        pytest.param(
            changed(ENTRIES, swapped(5, 6)), "index 30 stands where 29", id="entries swapped"
        ),
        pytest.param(
            changed(ENTRIES, lambda d: d.replace(b'"secret.read"', b'"secret.list"', 1)),
            "changed: not the bytes that were signed",
            id="an entry changed",
        ),
        pytest.param(
            changed(ENTRIES, lambda d: joined(lines(d)[:-3])), "removed", id="the log cut short"
        ),
        pytest.param(
            changed(ENTRIES, lambda d: d + lines(d)[0] + b"\n"), "too many", id="an entry added"
        ),
        pytest.param(
            changed("log/leaf-hashes.bin", lambda d: bytes(32) + d[32:]),
            "not the hashes of the signed entries",
            id="a hash changed",
        ),
        pytest.param(changed(ROWS, without(2)), "row 2 is removed", id="a row removed"),
        pytest.param(changed(ROWS, swapped(2, 3)), "rows 2, 3 are out of order", id="rows swapped"),
        pytest.param(
            changed(ROWS, lambda d: d.replace(b'"ok"', b'"refused or failed"', 1)),
            "changed or added",
            id="a row changed",
        ),
        pytest.param(fewer_rows, "of the log missing among the rows", id="a row gone for good"),
        pytest.param(other_results, "is the result of T03", id="results swapped"),
        pytest.param(
            changed("tests/T05/result.json", with_items(is_effective)),
            "inconclusive follows from its items",
            id="a verdict made better",
        ),
        pytest.param(
            changed("tests/T02/result.json", with_items(has_one_more)),
            "for population, and its items give",
            id="a count made larger",
        ),
        pytest.param(
            changed("tests/T05/result.json", with_items(is_effective)),
            "tests/T05: no entry of the log has the digest of its result",
            id="a result that the log never had",
        ),
        pytest.param(
            changed("tests/T02/definition.json", lambda d: d.replace(b"XAES-256-GCM", b"ROT13", 1)),
            "another definition",
            id="a definition made easier",
        ),
        pytest.param(
            changed("proofs/consistency.txt", lambda d: d[:-8] + b"AAAAAA=\n"),
            "consistency",
            id="a consistency proof changed",
        ),
        pytest.param(
            changed("tests/T03/result.pdf", lambda d: d + b"\n"),
            "no entry of the log has the digest",
            id="a page replaced",
        ),
        pytest.param(removed("tests/T03/result.json"), "missing", id="a result removed"),
        pytest.param(removed("checkpoint/start.txt"), "start.txt is missing", id="no beginning"),
        pytest.param(
            lambda files: refitted(files | {"tests/T99/result.json": b"{}"}),
            "T99",
            id="a result added",
        ),
    ],
)
def test_what_was_changed_is_named_though_the_manifest_fits(
    tamper: Callable[[Files], Files], named: str, files: Files, taken: Taken, tmp_path: Path
) -> None:
    found = verified(tamper(files), tmp_path, taken.vkey)

    assert not found.ok
    assert any(named in fault for fault in found.faults), found.faults


class TestFiles:
    def test_a_file_that_was_changed_is_named(
        self, files: Files, taken: Taken, tmp_path: Path
    ) -> None:
        found = verified(files | {"summary.pdf": b"%PDF better"}, tmp_path, taken.vkey)

        assert "summary.pdf was changed: its digest is not the manifest's" in found.faults

    def test_a_file_that_was_added_is_named(
        self, files: Files, taken: Taken, tmp_path: Path
    ) -> None:
        found = verified(files | {"more.txt": b"more"}, tmp_path, taken.vkey)

        assert "more.txt was added: the manifest does not list it" in found.faults

    def test_a_file_that_was_removed_is_named(
        self, files: Files, taken: Taken, tmp_path: Path
    ) -> None:
        left = Files({n: d for n, d in files.items() if n != "README.pdf"})

        assert "README.pdf is missing" in verified(left, tmp_path, taken.vkey).faults

    def test_a_name_that_stands_twice_is_named(
        self, files: Files, taken: Taken, tmp_path: Path
    ) -> None:
        path = packed(files, tmp_path / "twice.zip")
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("about.json", files["about.json"])

        found = verify.verify_pack(path, taken.vkey, lambda _: None)

        assert "about.json stands twice in the archive" in found.faults

    def test_what_is_no_archive_fails_and_does_not_raise(self, tmp_path: Path) -> None:
        path = tmp_path / "pack.zip"
        path.write_bytes(b"no archive")

        assert not verify.verify_pack(path, None, lambda _: None).ok

    @pytest.mark.parametrize("manifest", [b"", b"[]", b'{"format":"strongroom-evidence-pack/1"}'])
    def test_a_manifest_that_is_none_fails_and_does_not_raise(
        self, manifest: bytes, files: Files, tmp_path: Path
    ) -> None:
        assert not verified(files | {"manifest.json": manifest}, tmp_path, None).ok


ANYWHERE = st.integers(0, 2**32 - 1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spot=st.tuples(ANYWHERE, ANYWHERE, st.integers(0, 7)))
def test_any_byte_of_any_file_is_noticed_though_the_manifest_fits(
    spot: tuple[int, int, int], files: Files, taken: Taken, tmp_path: Path
) -> None:
    which, where, bit = spot
    names = [name for name in sorted(files) if files[name]]
    name = names[which % len(names)]
    flipped = bytearray(files[name])
    flipped[where % len(flipped)] ^= 1 << bit

    spoiled = files | {name: bytes(flipped)}
    fitted = spoiled if name in ("manifest.json", "about.json") else refitted(spoiled)

    assert not verified(fitted, tmp_path, taken.vkey).ok


class TestKeys:
    def test_another_key_from_outside_is_named(
        self, files: Files, taken: Taken, tmp_path: Path
    ) -> None:
        other = SigningKey("strongroom.test/log", Secret(bytes(32))).verifier()

        found = verified(files, tmp_path, str(other))

        assert "checkpoint/log.vkey is another key than the one that was given" in found.faults

    def test_what_is_no_key_is_said_to_be_none(self, files: Files, tmp_path: Path) -> None:
        assert "key: not a verifier key" in verified(files, tmp_path, "nonsense").faults

    def test_a_whole_forgery_is_found_by_the_key_from_outside_alone(
        self, whole: Taken, tmp_path: Path
    ) -> None:
        """Whoever signs everything anew passes inner consistency: so the key must come from
        elsewhere, and the program says so."""
        forged = forgery(unpacked(whole.path))

        inner = verified(forged, tmp_path, None)
        outer = verified(forged, tmp_path, whole.vkey)

        assert inner.ok, inner.faults
        assert "checkpoint/log.vkey is another key than the one that was given" in outer.faults

    def test_a_checkpoint_signed_by_another_key_is_named(
        self, files: Files, taken: Taken, tmp_path: Path
    ) -> None:
        other = SigningKey("strongroom.test/log", Secret(bytes(32)))
        tree = Checkpoint.parse(Note.parse(files["checkpoint/end.txt"]).text)
        forged = refitted(files | {"checkpoint/end.txt": sign_checkpoint(tree, other)})

        faults = verified(forged, tmp_path, taken.vkey).faults

        assert any(fault.startswith("checkpoint/end.txt: ") for fault in faults)


def forgery(files: Files) -> Files:
    """Improve a page of a pack of the whole log, and do everything over that depends on it."""
    key, entries = (
        SigningKey("strongroom.test/log", Secret(bytes(32))),
        "log/entries-000000000000.jsonl",
    )
    files = files | {
        "checkpoint/log.vkey": f"{key.verifier()}\n".encode(),
        "summary.pdf": b"%PDF-1.7 better",
    }
    bound = sorted(n for n in files if not n.startswith(verify.UNBOUND))
    text = "".join(f"{sha256(files[n]).hexdigest()}  {n}\n" for n in bound)
    manifest = json.loads(files["manifest.json"])
    leaves = [line.partition(b',"entry":')[2][:-1] for line in lines(files[entries])]
    event = json.loads(leaves[manifest["log"]["pack_entry"]])
    event["unmapped"]["contents"] = sha256(text.encode()).hexdigest()
    leaves[manifest["log"]["pack_entry"]] = json.dumps(event, separators=(",", ":")).encode()
    hashes, size = [leaf_hash(leaf) for leaf in leaves], len(leaves)
    end = sign_checkpoint(Checkpoint(origin=key.name, size=size, root=root_of(hashes)), key)

    def read(level: int, index: int) -> bytes:
        return root_of(hashes[index << level : (index + 1) << level])

    manifest["log"]["vkey"] = str(key.verifier())
    forged = files | {
        entries: joined([b'{"index":%d,"entry":%b}' % (n, leaf) for n, leaf in enumerate(leaves)]),
        "log/leaf-hashes.bin": b"".join(hashes),
        "checkpoint/end.txt": end,
        "manifest.json": json.dumps(manifest).encode(),
    }
    for name in [n for n in files if n.startswith("proofs/inclusion/")]:
        index = int(Path(name).stem)
        proof = LogProof(
            index=index, hashes=tuple(inclusion_proof(index, size, read)), checkpoint=end
        )
        forged[name] = proof.encode()
    return refitted(forged)


def test_wrong_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([]) == 2
    assert "usage" in capsys.readouterr().out
