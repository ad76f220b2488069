"""Roots, proofs and growth of the tree: golden vectors, all small sizes, and what must fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.errors import ProofError
from strongroom.crypto.merkle import (
    EMPTY_ROOT,
    Tile,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.crypto.golden import golden, grown, leaves, reader

SMALL = range(1, 71)
HASHES = st.binary(min_size=32, max_size=32)

# The eight leaves that Certificate Transparency's implementations have always been tested
# with (transparency-dev/merkle, testonly/constants.go).
CLASSIC = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


def definition(hashes: tuple[bytes, ...]) -> bytes:
    """Return the root as RFC 9162 section 2.1.1 defines it, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node_hash(definition(hashes[:k]), definition(hashes[k:]))


class TestRoots:
    def test_the_hashes_of_leaf_node_and_nothing_are_the_golden_ones(self) -> None:
        assert leaf_hash(b"entry-0").hex() == golden()["leaf_hash_0"]
        assert leaf_hash(b"entry-1").hex() == golden()["leaf_hash_1"]
        assert node_hash(*leaves(2)).hex() == golden()["node_hash_01"]
        assert EMPTY_ROOT.hex() == golden()["empty_root"]

    @pytest.mark.parametrize("size", [int(size) for size in golden()["roots"]])
    def test_every_way_to_the_root_gives_the_golden_one(self, size: int) -> None:
        expected = bytes.fromhex(golden()["roots"][str(size)])
        hashes = leaves(size)

        assert root_of(hashes) == expected
        assert tree_root(size, reader(hashes)) == expected
        assert grown(size)[0].root() == expected

    @pytest.mark.parametrize("size", SMALL)
    def test_roots_follow_the_definition(self, size: int) -> None:
        assert root_of(leaves(size)) == definition(leaves(size))

    def test_the_classic_eight_leaves_have_their_roots(self) -> None:
        hashes = [leaf_hash(data) for data in CLASSIC]

        assert root_of(hashes).hex() == (
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        )
        assert root_of(hashes[:7]).hex() == (
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
        )


class TestGoldenProofs:
    @pytest.mark.parametrize(
        "case", golden()["inclusion"], ids=lambda c: f"{c['index']}-{c['size']}"
    )
    def test_inclusion(self, case: dict[str, object]) -> None:
        index, size = int(str(case["index"])), int(str(case["size"]))
        hashes = leaves(size)

        proof = inclusion_proof(index, size, reader(hashes))

        assert [one.hex() for one in proof] == case["proof"]
        verify_inclusion(hashes[index], index, size, proof, root_of(hashes))

    @pytest.mark.parametrize(
        "case", golden()["consistency"], ids=lambda c: f"{c['old']}-{c['new']}"
    )
    def test_consistency(self, case: dict[str, object]) -> None:
        old, new = int(str(case["old"])), int(str(case["new"]))
        hashes = leaves(new)

        proof = consistency_proof(old, new, reader(hashes))

        assert [one.hex() for one in proof] == case["proof"]
        verify_consistency(old, new, root_of(hashes[:old]), root_of(hashes), proof)


class TestEverySmallTree:
    @pytest.mark.parametrize("size", SMALL)
    def test_every_leaf_is_included_where_it_is_and_nowhere_else(self, size: int) -> None:
        hashes = leaves(size)
        root = root_of(hashes)

        for index in range(size):
            proof = inclusion_proof(index, size, reader(hashes))
            verify_inclusion(hashes[index], index, size, proof, root)
            with pytest.raises(ProofError):
                verify_inclusion(hashes[index], (index + 1) % (size + 1), size, proof, root)

    @pytest.mark.parametrize("new", SMALL)
    def test_every_smaller_tree_is_consistent_and_no_other_root_is(self, new: int) -> None:
        hashes = leaves(new)
        root = root_of(hashes)

        for old in range(1, new + 1):
            proof = consistency_proof(old, new, reader(hashes))
            verify_consistency(old, new, root_of(hashes[:old]), root, proof)
            with pytest.raises(ProofError):
                verify_consistency(old, new, leaf_hash(b"other"), root, proof)
            with pytest.raises(ProofError):
                verify_consistency(old, new, root_of(hashes[:old]), leaf_hash(b"other"), proof)


CHANGES: list[tuple[str, Callable[[list[bytes]], list[bytes]]]] = [
    ("one too many at the end", lambda proof: [*proof, leaf_hash(b"x")]),
    ("one too many at the start", lambda proof: [leaf_hash(b"x"), *proof]),
    ("first left out", lambda proof: proof[1:]),
    ("last left out", lambda proof: proof[:-1]),
    ("none", lambda _: []),
    ("reversed", lambda proof: proof[::-1]),
    ("31-byte hash", lambda proof: [proof[0][:31], *proof[1:]]),
    ("33-byte hash", lambda proof: [proof[0] + b"\0", *proof[1:]]),
    ("empty hash", lambda proof: [b"", *proof[1:]]),
    ("one bit flipped", lambda proof: [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]),
    ("64 hashes", lambda proof: (proof * 64)[:64]),
]


@pytest.mark.parametrize("change", [c for _, c in CHANGES], ids=[name for name, _ in CHANGES])
class TestChangedProofs:
    def test_inclusion_fails(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        hashes = leaves(37)
        proof = change(inclusion_proof(21, 37, reader(hashes)))

        with pytest.raises(ProofError):
            verify_inclusion(hashes[21], 21, 37, proof, root_of(hashes))

    @pytest.mark.parametrize("old", [16, 21], ids=["from a power of two", "from another size"])
    def test_consistency_fails(
        self, change: Callable[[list[bytes]], list[bytes]], old: int
    ) -> None:
        hashes = leaves(37)
        proof = change(consistency_proof(old, 37, reader(hashes)))

        with pytest.raises(ProofError):
            verify_consistency(old, 37, root_of(hashes[:old]), root_of(hashes), proof)


class TestRefusals:
    def test_inclusion_in_an_empty_tree(self) -> None:
        with pytest.raises(ProofError, match="no leaf 0"):
            verify_inclusion(leaf_hash(b"x"), 0, 0, [], EMPTY_ROOT)

    @pytest.mark.parametrize("index", [-1, 8, 9])
    def test_inclusion_outside_the_tree(self, index: int) -> None:
        with pytest.raises(ProofError, match="no leaf"):
            verify_inclusion(leaves(8)[0], index, 8, [], root_of(leaves(8)))
        with pytest.raises(ProofError, match="no leaf"):
            inclusion_proof(index, 8, reader(leaves(8)))

    def test_inclusion_in_a_tree_of_another_size(self) -> None:
        hashes = leaves(8)
        proof = inclusion_proof(2, 8, reader(hashes))

        for size in (5, 9, 16, 2**63):
            with pytest.raises(ProofError):
                verify_inclusion(
                    hashes[2], 2, size, proof, root_of(leaves(size if size < 99 else 8))
                )

    @pytest.mark.parametrize(("claimed", "why"), [(2, "too long"), (8, "too short")])
    def test_a_proof_that_fits_the_root_but_not_the_size(self, claimed: int, why: str) -> None:
        """Whoever signs roots could otherwise lie about how large the log is."""
        hashes = leaves(4)
        root = root_of(hashes)

        with pytest.raises(ProofError, match=why):
            verify_inclusion(hashes[0], 0, claimed, inclusion_proof(0, 4, reader(hashes)), root)
        with pytest.raises(ProofError, match=why):
            verify_consistency(1, claimed, hashes[0], root, consistency_proof(1, 4, reader(hashes)))

    def test_more_hashes_than_any_tree_needs(self) -> None:
        hashes = [leaf_hash(b"x")] * 64

        with pytest.raises(ProofError, match="at most 63"):
            verify_inclusion(hashes[0], 0, 2**64, hashes, hashes[0])
        with pytest.raises(ProofError, match="at most 63"):
            verify_consistency(1, 2**64, hashes[0], hashes[0], hashes)

    def test_a_leaf_or_root_that_is_no_hash(self) -> None:
        with pytest.raises(ProofError, match="32 bytes, not 31"):
            verify_inclusion(bytes(31), 0, 1, [], bytes(31))
        with pytest.raises(ProofError, match="32 bytes, not 0"):
            verify_consistency(1, 1, b"", b"", [])

    def test_consistency_from_nothing_shows_nothing(self) -> None:
        with pytest.raises(ProofError, match="from size 0"):
            verify_consistency(0, 8, EMPTY_ROOT, root_of(leaves(8)), [])
        with pytest.raises(ProofError, match="from size 0"):
            consistency_proof(0, 8, reader(leaves(8)))

    def test_consistency_backwards(self) -> None:
        proof = consistency_proof(4, 8, reader(leaves(8)))

        with pytest.raises(ProofError, match="from size 8 to 4"):
            verify_consistency(8, 4, root_of(leaves(8)), root_of(leaves(4)), proof)
        with pytest.raises(ProofError):
            consistency_proof(8, 4, reader(leaves(8)))

    def test_consistency_with_the_roots_swapped(self) -> None:
        hashes = leaves(8)
        proof = consistency_proof(6, 8, reader(hashes))

        with pytest.raises(ProofError, match="another root at size 6"):
            verify_consistency(6, 8, root_of(hashes), root_of(hashes[:6]), proof)

    def test_one_size_with_two_roots(self) -> None:
        with pytest.raises(ProofError, match="two different roots at size 8"):
            verify_consistency(8, 8, root_of(leaves(8)), leaf_hash(b"other"), [])

    def test_one_size_with_a_proof(self) -> None:
        root = root_of(leaves(8))

        with pytest.raises(ProofError, match="empty"):
            verify_consistency(8, 8, root, root, [leaves(1)[0]])

    @given(
        numbers=st.tuples(st.integers(-3, 80), st.integers(-3, 80)),
        proof=st.lists(HASHES | st.binary(max_size=40), max_size=70),
        ends=st.tuples(HASHES, HASHES),
    )
    def test_any_input_raises_the_one_error(
        self, numbers: tuple[int, int], proof: list[bytes], ends: tuple[bytes, bytes]
    ) -> None:
        one, other = ends
        with pytest.raises(ProofError):
            verify_inclusion(one, *numbers, proof, other + b"\0" if one == other else other)
        with pytest.raises(ProofError):
            verify_consistency(*numbers, one, other + b"\0" if one == other else other, proof)


class TestGrowing:
    @given(parts=st.lists(st.integers(0, 300), max_size=8))
    def test_a_tree_grown_in_parts_is_the_tree_grown_at_once(self, parts: list[int]) -> None:
        total, tree, tiles = sum(parts), Tree(), []
        hashes = leaves(2400)

        for part in parts:
            tiles += tree.append(hashes[tree.size : tree.size + part])

        assert tree.size == total
        assert tree.root() == root_of(hashes[:total])
        assert (*tiles, *tree.edge()) == grown(total)[1]

    def test_full_tiles_come_as_they_complete_the_lower_one_first(self) -> None:
        tree = Tree()
        hashes = leaves(70_000)

        early = tree.append(hashes[:65_535])
        last = tree.append(hashes[65_535:65_536])

        assert [(tile.level, tile.index) for tile in early] == [(0, n) for n in range(255)]
        assert [(tile.level, tile.index, tile.width) for tile in last] == [
            (0, 255, 256),
            (1, 0, 256),
        ]
        assert last[0].hashes == b"".join(hashes[65_280:65_536])
        assert last[1].hashes[:32] == root_of(hashes[:256])

    @pytest.mark.parametrize(
        "size", [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000]
    )
    def test_a_restored_tree_grows_like_the_one_that_went_on(self, size: int) -> None:
        tree, _ = grown(size)
        more = [leaf_hash(b"more-%d" % n) for n in range(600)]

        restored, twin = Tree.restore(size, tree.edge()), tree.copy()

        assert restored.root() == tree.root()
        assert restored.append(more) == twin.append(more)
        assert (restored.root(), restored.edge()) == (twin.root(), twin.edge())
        assert tree.size == size

    @pytest.mark.parametrize(
        "edge",
        [
            pytest.param([], id="none"),
            pytest.param([Tile(level=0, index=1, hashes=bytes(32 * 4))], id="one missing"),
            pytest.param(
                [
                    Tile(level=0, index=1, hashes=bytes(32 * 3)),
                    Tile(level=1, index=0, hashes=bytes(32)),
                ],
                id="one too narrow",
            ),
            pytest.param(
                [
                    Tile(level=0, index=0, hashes=bytes(32 * 4)),
                    Tile(level=1, index=0, hashes=bytes(32)),
                ],
                id="one from elsewhere",
            ),
            pytest.param(
                [
                    Tile(level=0, index=1, hashes=bytes(32 * 4)),
                    Tile(level=1, index=0, hashes=bytes(32)),
                    Tile(level=2, index=0, hashes=bytes(32)),
                ],
                id="one too many",
            ),
        ],
    )
    def test_an_edge_that_is_not_of_the_size_is_refused(self, edge: list[Tile]) -> None:
        with pytest.raises(ProofError, match="260"):
            Tree.restore(260, edge)
