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
from typing import Any

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
        pytest.param(
            changed(ENTRIES, without(5)), "log: entry 29 is missing", id="an entry removed"
        ),
        pytest.param(
            changed(ENTRIES, swapped(5, 6)), "log: entries 29, 30 are swapped", id="entries swapped"
        ),
        pytest.param(
            changed(ENTRIES, lambda d: d.replace(b'"secret.read"', b'"secret.list"', 1)),
            "log: entry 26 is changed",
            id="an entry changed",
        ),
        pytest.param(
            changed(ENTRIES, lambda d: joined(lines(d)[:-3])), "are missing", id="the log cut short"
        ),
        pytest.param(
            changed(ENTRIES, lambda d: d + lines(d)[0] + b"\n"),
            "log: entry 24 is there twice",
            id="an entry added",
        ),
        pytest.param(
            changed("log/leaf-hashes.bin", lambda d: bytes(32) + d[32:]),
            "not the hashes of the signed entries",
            id="a hash changed",
        ),
        pytest.param(changed(ROWS, without(2)), "row 2 is missing", id="a row removed"),
        pytest.param(changed(ROWS, swapped(2, 3)), "rows 2, 3 are swapped", id="rows swapped"),
        pytest.param(
            changed(ROWS, lambda d: d.replace(b"{", b'{"a":0,', 1)),
            "row 0 is changed",
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
            "tests/T03/result.pdf was changed: its digest is not the one that the log has",
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

        assert any("about.json stands twice in the archive" in fault for fault in found.faults)

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


WRONG = ("", "x", None, True, 0, -1, 1.5, 2**64, [], [[]], {}, {"a": 1}, ["\ud800"])
JSON_FILES = ("manifest.json", "about.json", "log/left.json", "populations/P08/frozen-root.json")


STRANGE = b'{"index":29,"entry":{"metadata":{"event_code":"x"}}}'


def spoiled(value: object, path: list[int], wrong: object) -> object:
    """Follow a path into JSON, each step modulo what is there; put something else at its end."""
    if not path or not isinstance(value, dict | list) or not value:
        return wrong
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, copy = keys[path[0] % len(keys)], value.copy()
    if path[1:] or wrong != "x":
        copy[key] = spoiled(copy[key], path[1:], wrong)
    else:
        del copy[key]
    return copy


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([*JSON_FILES, "tests/T67/result.json", "tests/T67/definition.json"]),
    path=st.lists(ANYWHERE, max_size=5),
    wrong=st.sampled_from(WRONG),
    fit=st.booleans(),
)
def test_whatever_stands_in_its_json_is_found_wrong_in_words(
    *,
    name: str,
    path: list[int],
    wrong: object,
    fit: bool,
    files: Files,
    taken: Taken,
    tmp_path: Path,
) -> None:
    before = json.loads(files[name])
    after = spoiled(before, path, wrong)
    form = verify.written if name in JSON_FILES[:3] else canonical
    data = json.dumps(after, indent=1).encode() if "\\ud800" in json.dumps(after) else form(after)
    changed = files | {name: data}
    fitted = refitted(changed) if fit and name not in JSON_FILES[:2] else changed

    found = verified(fitted, tmp_path, taken.vkey)

    assert found.ok == (data == files[name])
    assert [fault for fault in found.faults if "cannot be judged" in fault] == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(ANYWHERE, st.binary(max_size=8), st.integers(0, 8)), min_size=1))
def test_a_pack_that_was_cut_about_fails_and_does_not_raise(
    edits: list[tuple[int, bytes, int]], whole: Taken, tmp_path: Path
) -> None:
    before = data = whole.path.read_bytes()
    for where, put, drop in edits:
        at = where % len(data)
        data = data[:at] + put + data[at + drop :]
    path = tmp_path / "cut.zip"
    path.write_bytes(data)

    found = verify.verify_pack(path, whole.vkey)

    assert found.ok == (data == before)
    assert [fault for fault in found.faults if "cannot be judged" in fault] == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m["about"].pop("period"), "manifest.json: what it says of the pack is not"),
        (lambda m: m.pop("about"), "manifest.json: about is missing"),
        (lambda m: m.pop("files"), "manifest.json: files is missing"),
        (lambda m: m.pop("log"), "manifest.json: log is missing"),
        (lambda m: m.pop("format"), "manifest.json: format is missing"),
        (lambda m: m["files"].append(1), "manifest.json: files["),
        (lambda m: m["files"][0].pop("path"), "manifest.json: files[0]: path is missing"),
        (lambda m: m["files"][0].update(bytes="1"), "size or type of README.pdf is another"),
        (lambda m: m["files"][0].update(more=1), "size or type of README.pdf is another"),
        (lambda m: m["files"].reverse(), "manifest.json was changed"),
        (lambda m: m["files"].append(m["files"][0]), "manifest.json was changed"),
        (lambda m: m["log"].update(size="1"), "manifest.json: log.size is not what was found"),
        (lambda m: m.update(more=1), "manifest.json was changed"),
    ],
)
def test_a_manifest_of_another_form_is_named(
    change: Callable[[dict[str, Any]], object],
    named: str,
    files: Files,
    taken: Taken,
    tmp_path: Path,
) -> None:
    manifest = json.loads(files["manifest.json"])
    change(manifest)

    found = verified(files | {"manifest.json": verify.written(manifest)}, tmp_path, taken.vkey)

    assert any(named in fault for fault in found.faults), found.faults


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (
            changed("log/left.json", lambda d: d.replace(b'"begin": 24', b'"begin": "24"')),
            "log/left.json: begin is no whole number",
        ),
        (
            changed("log/left.json", lambda d: d.replace(b"\n}", b',\n "more": 1\n}')),
            "log/left.json is not the subtrees",
        ),
        (changed(ENTRIES, lambda d: d + b"x"), "its last line has no end"),
        (changed("log/cited.jsonl", lambda d: d + b"x"), "its last line has no end"),
        (
            changed("checkpoint/end.txt", lambda d: d + lines(d)[-1] + b"\n"),
            "checkpoint/end.txt: there is more than the log's own signature",
        ),
        (changed("proofs/consistency.txt", lambda d: d[:-1]), "is about other sizes"),
        (
            lambda files: refitted(files | {"log/more.txt": b"more"}),
            "log/more.txt was added: the log has no digest of it",
        ),
        (
            lambda files: refitted(files | {"manifest.json.old": b"more"}),
            "manifest.json.old was added: the log has no digest of it",
        ),
        (
            lambda files: refitted(files | {"log/entries-000000000999.jsonl": b""}),
            "is not named after its first entry",
        ),
        (
            lambda files: refitted(files | {"proofs/inclusion/9999.tlog-proof": b"more"}),
            "is about an entry that nothing cites",
        ),
        (
            changed("contents.sha256", lambda d: d.replace(b"0", b"1", 1)),
            "contents.sha256 was changed",
        ),
    ],
)
def test_what_no_digest_in_the_log_covers_has_one_form(
    tamper: Callable[[Files], Files], named: str, files: Files, taken: Taken, tmp_path: Path
) -> None:
    found = verified(tamper(files), tmp_path, taken.vkey)

    assert any(named in fault for fault in found.faults), found.faults


SHORT = (
    "checkpoint/end.txt",
    "log/left.json",
    "proofs/consistency.txt",
    "proofs/inclusion/25.tlog-proof",
)


@pytest.mark.parametrize("name", SHORT)
def test_no_character_of_a_signed_file_can_be_another_though_the_manifest_fits(
    name: str, files: Files, taken: Taken, tmp_path: Path
) -> None:
    """The last character of base64 holds bits that stand for nothing: they are looked at too."""
    ends = [at for at in range(len(files[name])) if files[name][at + 1 : at + 2] in b'=\n"']
    for at in {*ends, *range(0, len(files[name]), 32)}:
        for bit in (0, 1) if at in ends else (5,):
            flipped = bytearray(files[name])
            flipped[at] ^= 1 << bit

            found = verified(refitted(files | {name: bytes(flipped)}), tmp_path, taken.vkey)

            assert not found.ok, (at, bit)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda one: one[:17] + one[18:], "entry 41 is missing"),
        (lambda one: one[:17] + one[19:], "entries 41, 42 are missing"),
        (
            lambda one: [*one[:17], one[30], *one[18:30], one[17], *one[31:]],
            "entries 41, 54 are sw",
        ),
        (lambda one: [*one[:5], *one[6:200], one[5], *one[200:]], "entry 29 is out of order"),
        (lambda one: [*one[:5], one[4], *one[5:]], "entry 28 is there twice"),
    ],
)
@pytest.mark.parametrize("hashes", ["kept", "fitted"])
def test_of_entries_it_is_said_which(
    *,
    change: Callable[[list[bytes]], list[bytes]],
    named: str,
    hashes: str,
    files: Files,
    taken: Taken,
    tmp_path: Path,
) -> None:
    """Also if the hashes beside them were fitted to them, as far as their own indexes tell."""
    entries = change(lines(files[ENTRIES]))
    tampered = files | {ENTRIES: joined(entries)}
    if hashes == "fitted":
        fitted = b"".join(leaf_hash(each.partition(b',"entry":')[2][:-1]) for each in entries)
        tampered = tampered | {"log/leaf-hashes.bin": fitted}

    faults = verified(refitted(tampered), tmp_path, taken.vkey).faults

    assert any(fault.startswith(f"log: {named}") for fault in faults), faults
    assert [fault for fault in faults if fault.startswith(("proofs/", "tests/"))] == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda one: [*one[:5], STRANGE, *one[5:]], ["entry 29 is added: no such was there"]),
        (lambda one: [*one[:5], STRANGE, *one[6:]], ["entry 29 is changed"]),
        (lambda one: [*one[:5], STRANGE, *one[7:]], ["entry 29 is changed", "entry 30 is missing"]),
        (lambda one: [*one[:4], STRANGE, *one[6:]], ["entry 29 is changed", "entry 28 is missing"]),
        (
            lambda one: [*one[:5], one[5].replace(b"29", b"30", 1), *one[6:]],
            ["entry 29 is labelled with another index"],
        ),
    ],
)
def test_of_entries_that_are_other_it_is_said_which_by_the_signed_hashes(
    change: Callable[[list[bytes]], list[bytes]],
    named: list[str],
    files: Files,
    taken: Taken,
    tmp_path: Path,
) -> None:
    tampered = files | {ENTRIES: joined(change(lines(files[ENTRIES])))}

    faults = verified(refitted(tampered), tmp_path, taken.vkey).faults

    assert {f"log: {each}" for each in named} <= {*faults}


@given(
    had=st.lists(st.integers(0, 12), max_size=12),
    count=st.integers(0, 10),
)
def test_what_differs_is_empty_only_where_nothing_does(had: list[int], count: int) -> None:
    found = verify.differences(had, range(count), 0, "row")

    assert (found == []) == (had == list(range(count)))


@pytest.mark.parametrize(("old", "new"), [(0, 5), (-1, 5), (6, 5), (3, 0)])
def test_a_consistency_proof_between_impossible_sizes_is_refused_and_ends(
    old: int, new: int
) -> None:
    with pytest.raises(verify.BrokenError, match="no such proof"):
        verify.check_consistency(old, new, (b"", b""), [bytes(32)])


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
    bound = sorted(n for n in files if not verify.UNBOUND.fullmatch(n))
    text = "".join(f"{sha256(files[n]).hexdigest()}  {n}\n" for n in bound)
    manifest = json.loads(files["manifest.json"])
    leaves = [line.partition(b',"entry":')[2][:-1] for line in lines(files[entries])]
    event = json.loads(leaves[manifest["log"]["pack_entry"]])
    event["unmapped"]["contents"] = sha256(text.encode()).hexdigest()
    files = files | {"contents.sha256": text.encode()}
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
