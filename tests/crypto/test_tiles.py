"""Tile paths, bundles, widths, and proofs served from tiles."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.errors import TileError
from strongroom.crypto.merkle import (
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from strongroom.crypto.tiles import (
    TileHashes,
    TilePath,
    bundle_path,
    decode_bundle,
    decode_tile,
    edge_of,
    encode_bundle,
    tile_path,
    width_at,
)
from tests.crypto.golden import entry, golden, grown, leaves

PATHS = st.builds(
    TilePath,
    level=st.none() | st.integers(0, 63),
    index=st.integers(0, 2**63 - 1),
    width=st.integers(1, 256),
)
BUNDLES = st.lists(st.binary(max_size=300), min_size=1, max_size=256)


class TestPaths:
    @pytest.mark.parametrize(("index", "groups"), golden()["path_examples"].items())
    def test_an_index_is_written_as_in_the_golden_vectors(self, index: str, groups: str) -> None:
        assert tile_path(0, int(index)) == f"tile/0/{groups}"
        assert bundle_path(int(index)) == f"tile/entries/{groups}"

    def test_a_partial_one_says_its_width(self) -> None:
        assert tile_path(63, 273, 112) == "tile/63/273.p/112"
        assert bundle_path(273, 1) == "tile/entries/273.p/1"

    @given(path=PATHS)
    def test_a_path_parses_to_itself(self, path: TilePath) -> None:
        assert TilePath.parse(str(path)) == path

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "checkpoint",
            "tile/0/0",
            "tile/0/1000",
            "tile/00/000",
            "tile/01/000",
            "tile/64/000",
            "tile/99/000",
            "tile/-1/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/999",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000\n",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/../000",
            "tile/data/000",
            "tile/0/\u0660\u0660\u0660",
            "tile/0/" + "x999/" * 6 + "999",
            "tile/0/" + "x999/" * 9 + "999",
        ],
    )
    def test_anything_but_the_canonical_form_is_refused(self, text: str) -> None:
        with pytest.raises(TileError):
            TilePath.parse(text)

    @given(text=st.text() | st.from_regex(r"\Atile/\d{1,2}/(x\d{3}/)?\d{3}(\.p/\d{1,3})?\Z"))
    def test_any_text_parses_to_itself_or_raises_the_one_error(self, text: str) -> None:
        try:
            path = TilePath.parse(text)
        except TileError:
            return

        assert str(path) == text

    @pytest.mark.parametrize(
        ("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0)]
    )
    def test_what_is_no_tile_has_no_path(self, level: int, index: int, width: int) -> None:
        with pytest.raises(TileError):
            tile_path(level, index, width)


class TestWidths:
    def test_size_70_000_has_the_tiles_that_the_specification_says(self) -> None:
        assert width_at(0, 272, 70_000) == 256
        assert width_at(0, 273, 70_000) == 112
        assert width_at(0, 274, 70_000) == 0
        assert width_at(1, 0, 70_000) == 256
        assert width_at(1, 1, 70_000) == 17
        assert width_at(2, 0, 70_000) == 1
        assert width_at(3, 0, 70_000) == 0
        assert [str(path) for path in edge_of(70_000)] == [
            "tile/0/273.p/112",
            "tile/1/001.p/17",
            "tile/2/000.p/1",
        ]

    def test_a_full_tile_leaves_no_partial_one_of_width_0(self) -> None:
        assert [str(path) for path in edge_of(256)] == ["tile/1/000.p/1"]
        assert list(edge_of(0)) == []

    @pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
    def test_a_grown_tree_has_exactly_the_edge(self, size: int) -> None:
        edge = [(tile.level, tile.index, tile.width) for tile in grown(size)[0].edge()]

        assert edge == [(path.level, path.index, path.width) for path in edge_of(size)]


class TestGoldenFiles:
    @pytest.mark.parametrize("kind", ["tile_sha256_70000", "partial_tile_sha256_70000"])
    def test_tiles_of_size_70_000(self, kind: str) -> None:
        made = {
            tile_path(tile.level, tile.index, tile.width): tile.hashes for tile in grown(70_000)[1]
        }

        for path, digest in golden()[kind].items():
            assert sha256(made[path]).hexdigest() == digest

    @pytest.mark.parametrize(("text", "digest"), golden()["entry_bundle_sha256"].items())
    def test_bundles(self, text: str, digest: str) -> None:
        path = TilePath.parse(text)
        first = path.index * 256

        bundle = encode_bundle(entry(index) for index in range(first, first + path.width))

        assert sha256(bundle).hexdigest() == digest
        assert len(decode_bundle(bundle)) == path.width


class TestBundles:
    @given(entries=BUNDLES)
    def test_a_bundle_decodes_to_its_entries(self, entries: list[bytes]) -> None:
        assert decode_bundle(encode_bundle(entries)) == entries

    def test_the_largest_entry_fits_and_one_byte_more_does_not(self) -> None:
        assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
        with pytest.raises(TileError, match="65535"):
            encode_bundle([bytes(65_536)])

    @pytest.mark.parametrize("count", [0, 257])
    def test_no_entry_and_too_many_are_no_bundle(self, count: int) -> None:
        with pytest.raises(TileError):
            encode_bundle([b""] * count)
        with pytest.raises(TileError):
            decode_bundle(b"\0\0" * count)

    @given(entries=BUNDLES, data=st.data())
    def test_a_bundle_cut_within_an_entry_is_refused(
        self, entries: list[bytes], data: st.DataObject
    ) -> None:
        bundle = encode_bundle(entries)
        last = len(entries[-1]) + 2
        cut = data.draw(st.integers(1, last - 1))

        with pytest.raises(TileError, match=f"within entry {len(entries) - 1}"):
            decode_bundle(bundle[:-cut])

    @given(bundle=st.binary(max_size=2000))
    def test_any_bytes_decode_canonically_or_raise_the_one_error(self, bundle: bytes) -> None:
        try:
            entries = decode_bundle(bundle)
        except TileError:
            return

        assert encode_bundle(entries) == bundle

    def test_a_tile_of_another_width_is_refused(self) -> None:
        assert len(decode_tile(bytes(64), 2)) == 2
        for length in (0, 32, 63, 65, 96):
            with pytest.raises(TileError):
                decode_tile(bytes(length), 2)


class TestProofsFromTiles:
    def reader(self, size: int) -> tuple[TileHashes, list[str]]:
        """Return a reader over the published tiles, and the list of what it fetched."""
        files = {
            tile_path(tile.level, tile.index, tile.width): tile.hashes for tile in grown(size)[1]
        }
        fetched: list[str] = []

        def fetch(path: TilePath) -> bytes:
            fetched.append(str(path))
            return files[str(path)]

        return TileHashes(size, fetch), fetched

    @pytest.mark.parametrize("index", [0, 255, 256, 12_345, 65_535, 65_536, 69_999])
    def test_inclusion_in_70_000_needs_a_few_tiles(self, index: int) -> None:
        read, fetched = self.reader(70_000)
        root = bytes.fromhex(golden()["roots"]["70000"])

        proof = inclusion_proof(index, 70_000, read)

        verify_inclusion(leaves(70_000)[index], index, 70_000, proof, root)
        assert len(fetched) <= 6

    @pytest.mark.parametrize("old", [1, 256, 257, 12_345, 65_536, 69_999])
    def test_consistency_up_to_70_000_needs_a_few_tiles(self, old: int) -> None:
        read, fetched = self.reader(70_000)
        root = bytes.fromhex(golden()["roots"]["70000"])

        proof = consistency_proof(old, 70_000, read)

        verify_consistency(old, 70_000, grown(old)[0].root(), root, proof)
        assert len(fetched) <= 7

    @pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 300, 65_536, 65_537, 70_000])
    def test_the_root_comes_from_the_edge(self, size: int) -> None:
        read, _ = self.reader(size)

        assert tree_root(size, read) == grown(size)[0].root()

    def test_a_subtree_that_is_not_there_is_refused(self) -> None:
        read, _ = self.reader(300)

        with pytest.raises(TileError):
            read(0, 300)
        with pytest.raises(TileError):
            read(8, 1)
        with pytest.raises(TileError):
            read(0, 100_000)
