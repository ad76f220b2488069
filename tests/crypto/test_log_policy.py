"""Trust policies: what they read, what they require, and what they refuse."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import Checkpoint, add_signatures, sign_checkpoint
from strongroom.crypto.errors import NoteError
from strongroom.crypto.log_policy import LogPolicy
from strongroom.crypto.merkle import EMPTY_ROOT
from strongroom.crypto.note import Note, SignatureType, SigningKey

LOG = SigningKey("log.example.com", Secret(b"l" * 32))
NOTE = sign_checkpoint(Checkpoint(origin=LOG.name, size=0, root=EMPTY_ROOT), LOG)
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
WITNESSES = {
    name: SigningKey(f"witness.example.com/{name}", Secret(name.encode() * 16)) for name in NAMES
}


def vkey(name: str) -> str:
    return str(WITNESSES[name].verifier(SignatureType.COSIGNATURE))


TWO_LEVELS = f"""
# The example of the specification, with keys.
log {LOG.verifier()} https://log.example.com/

{"".join(f"witness {name} {vkey(name)}{chr(10)}" for name in NAMES)}
group X-witnesses 2 X1 X2 X3
\tgroup   Y-witnesses any\tY1 Y2 Y3\x20
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".encode()


def cosigned(*names: str) -> bytes:
    text = Note.parse(NOTE).text
    return add_signatures(NOTE, [WITNESSES[name].cosign(text, 1_000) for name in names])


class TestQuorum:
    @pytest.mark.parametrize("count", range(7))
    def test_two_levels_take_two_of_x_and_one_of_y(self, count: int) -> None:
        policy = LogPolicy.parse(TWO_LEVELS)

        for present in combinations(NAMES, count):
            enough = sum(name[0] == "X" for name in present) >= 2 and "Y" in str(present)
            assert policy.satisfied(set(present)) is enough

    def test_a_checkpoint_with_enough_cosignatures_opens(self) -> None:
        opened = LogPolicy.parse(TWO_LEVELS).open(cosigned("X1", "X3", "Y2"))

        assert [signed.key.name for signed in opened.signed_by] == [
            "log.example.com",
            "witness.example.com/X1",
            "witness.example.com/X3",
            "witness.example.com/Y2",
        ]

    def test_a_checkpoint_with_too_few_is_refused(self) -> None:
        with pytest.raises(NoteError, match="quorum X-and-Y"):
            LogPolicy.parse(TWO_LEVELS).open(cosigned("X1", "Y1", "Y2", "Y3"))

    def test_one_witness_that_signs_twice_counts_once(self) -> None:
        note = add_signatures(
            cosigned("X1", "Y1"), [WITNESSES["X1"].cosign(Note.parse(NOTE).text, 2)]
        )

        with pytest.raises(NoteError, match="quorum"):
            LogPolicy.parse(TWO_LEVELS).open(note)

    def test_enough_witnesses_do_not_stand_for_the_log(self) -> None:
        text = Note.parse(NOTE).text
        lines = tuple(witness.cosign(text, 1) for witness in WITNESSES.values())

        with pytest.raises(NoteError, match="no trusted key"):
            LogPolicy.parse(TWO_LEVELS).open(Note(text=text, signatures=lines).encode())

    def test_no_quorum_takes_the_logs_word(self) -> None:
        policy = LogPolicy.parse(f"log {LOG.verifier()}\nquorum none".encode())

        assert policy.open(NOTE).checkpoint.origin == "log.example.com"

    def test_a_quorum_of_one_witness(self) -> None:
        policy = LogPolicy.parse(
            f"log {LOG.verifier()}\nwitness w {vkey('X1')} http://w/\nquorum w\n".encode()
        )

        assert policy.witnesses["w"].url == "http://w/"
        assert len(policy.open(cosigned("X1")).signed_by) == 2
        with pytest.raises(NoteError, match="quorum w"):
            policy.open(cosigned("X2"))

    def test_a_policy_without_logs_opens_nothing(self) -> None:
        with pytest.raises(NoteError, match="no trusted key"):
            LogPolicy.parse(b"quorum none\n").open(NOTE)


X1, X2 = f"witness X1 {vkey('X1')}\n", f"witness X2 {vkey('X2')}\n"


class TestReading:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            pytest.param("", "quorum line", id="empty"),
            pytest.param("quorum none\nquorum none", "line 2.*second", id="two quorums"),
            pytest.param("quorum X1\n" + X1, "line 1.*no line above", id="quorum before witness"),
            pytest.param("quorum", "expected: quorum", id="quorum without a name"),
            pytest.param("quorum none none", "expected: quorum", id="quorum with two names"),
            pytest.param("logs x\nquorum none", "line 1.*not a log", id="unknown keyword"),
            pytest.param("log\nquorum none", "expected: log", id="log without a key"),
            pytest.param("log key\nquorum none", "verifier key", id="log with a bad key"),
            pytest.param(f"log {LOG.verifier()} u v", "expected: log", id="log with too much"),
            pytest.param(f"log {LOG.verifier()}\n" * 2, "line 2.*above", id="log twice"),
            pytest.param(
                f"witness w {WITNESSES['X1'].verifier()}", "0x04", id="witness key of type 1"
            ),
            pytest.param("witness w", "expected: witness", id="witness without a key"),
            pytest.param(X1 + X1.replace("X1", "Z", 1), "line 2.*above", id="witness key twice"),
            pytest.param(X1 + X2.replace("X2", "X1", 1), "line 2.*taken", id="witness name twice"),
            pytest.param(X1.replace("X1", "none", 1), "taken", id="witness named none"),
            pytest.param(X1 + "group X1 any X1", "taken", id="group named like a witness"),
            pytest.param(X1 + "group none any X1", "taken", id="group named none"),
            pytest.param(X1 + "group g any none", "no line above", id="none as a member"),
            pytest.param(X1 + "group g any g", "no line above", id="group within itself"),
            pytest.param(X1 + "group g any", "expected: group", id="group without members"),
            pytest.param(X1 + "group g 0 X1", "threshold", id="threshold 0"),
            pytest.param(X1 + "group g 2 X1", "threshold", id="threshold beyond the members"),
            pytest.param(X1 + "group g 01 X1", "threshold", id="threshold with a zero"),
            pytest.param(X1 + "group g some X1", "threshold", id="threshold not a number"),
            pytest.param(X1 + "group g 1 X1 X1", "once", id="member twice"),
            pytest.param(
                X1 + X2 + "group g 1 X1\ngroup h 1 X1 X2", "line 4.*once", id="member of two groups"
            ),
            pytest.param("quorum none\r\n", "control", id="carriage return"),
            pytest.param("quorum none\n\x7f", "control", id="delete"),
            pytest.param("\n" * 5000, "lines", id="too many lines"),
        ],
    )
    def test_a_policy_that_says_nothing_sensible_is_refused(self, text: str, why: str) -> None:
        with pytest.raises(NoteError, match=why):
            LogPolicy.parse(text.encode())

    def test_names_are_bytes_and_need_not_be_utf_8(self) -> None:
        kelvin, letter = "\u212a".encode(), b"K"
        policy = LogPolicy.parse(
            b"witness %s %s\nwitness %s %s\nwitness \xff %s\ngroup \xfe all %s \xff\nquorum \xfe"
            % (
                kelvin,
                vkey("X1").encode(),
                letter,
                vkey("X2").encode(),
                vkey("X3").encode(),
                kelvin,
            )
        )

        assert len(policy.witnesses) == 3
        assert policy.satisfied({"\u212a", "\udcff"})
        assert not policy.satisfied({"K", "\udcff"})

    def test_128_nested_groups_are_read_and_one_more_is_not(self) -> None:
        nested = "".join(f"group g{n} any {f'g{n - 1}' if n else 'X1'}\n" for n in range(129))
        allowed = nested.replace("group g128 any g127\n", "")

        assert LogPolicy.parse(f"{X1}{allowed}quorum g127".encode()).satisfied({"X1"})
        with pytest.raises(NoteError, match="128 groups"):
            LogPolicy.parse(f"{X1}{nested}quorum g128".encode())

    @given(
        data=st.binary()
        | st.lists(
            st.lists(
                st.sampled_from(["log", "witness", "group", "quorum", "any", "1", "a", "b", "none"])
                | st.sampled_from([vkey("X1"), vkey("X2"), str(LOG.verifier())]),
                max_size=6,
            ).map(" ".join)
        ).map(lambda lines: "\n".join(lines).encode())
    )
    def test_any_bytes_are_a_policy_or_raise_the_one_error(self, data: bytes) -> None:
        try:
            policy = LogPolicy.parse(data)
        except NoteError:
            return

        assert policy.satisfied(set(policy.witnesses))
