"""Signed notes and verifier keys: the specification's example, and what must be refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.errors import NoteError
from strongroom.crypto.note import (
    Note,
    NoteSignature,
    SignatureType,
    SigningKey,
    VerifierKey,
    decode_base64,
    decode_decimal,
)
from tests.crypto.golden import golden

# The example in C2SP signed-note, section "Verifier keys".
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfX"
    "ppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

TEXT = "Rotated on time.\n"
ALICE = SigningKey("example.com/alice", Secret(b"a" * 32))
BOB = SigningKey("example.com/bob", Secret(b"b" * 32))

NAMES = st.text(st.characters(exclude_characters="+", exclude_categories=("Z", "C")), min_size=1)
SEEDS = st.binary(min_size=32, max_size=32).map(Secret)
KEYS = st.builds(SigningKey, NAMES, SEEDS)


def noted(*signatures: NoteSignature, text: str = TEXT) -> Note:
    return Note(text=text, signatures=signatures)


def spoiled(line: NoteSignature) -> NoteSignature:
    """Return the line with one bit of its signature flipped."""
    signature = line.signature
    return replace(line, signature=signature[:-1] + bytes([signature[-1] ^ 1]))


class TestVectors:
    def test_the_specifications_example_verifies(self) -> None:
        key, note = VerifierKey.parse(SPEC_VKEY), Note.parse(SPEC_NOTE)

        [signed] = note.verify([key])

        assert note.text == "This is an example message.\n"
        assert (signed.key, signed.time) == (key, None)

    def test_the_specifications_example_prints_as_it_was(self) -> None:
        assert str(VerifierKey.parse(SPEC_VKEY)) == SPEC_VKEY
        assert Note.parse(SPEC_NOTE).encode() == SPEC_NOTE

    def test_the_golden_keys_come_from_their_seeds(self) -> None:
        log = SigningKey(
            golden()["origin"], Secret(bytes.fromhex(golden()["log_ed25519_seed_hex"]))
        )
        witness = SigningKey(
            golden()["witness"], Secret(bytes.fromhex(golden()["witness_ed25519_seed_hex"]))
        )

        assert str(log.verifier()) == golden()["log_vkey"]
        assert str(witness.verifier(SignatureType.COSIGNATURE)) == golden()["witness_vkey_type04"]


class TestVerifying:
    @given(key=KEYS, text=st.text().map(lambda text: text + "\n"))
    def test_what_a_key_signed_verifies_with_it(self, key: SigningKey, text: str) -> None:
        [signed] = noted(key.sign(text), text=text).verify([key.verifier()])

        assert signed.key == key.verifier()

    @given(key=KEYS, time=st.integers(1, 2**63 - 1))
    def test_a_cosignature_verifies_and_tells_its_time(self, key: SigningKey, time: int) -> None:
        verifier = key.verifier(SignatureType.COSIGNATURE)

        [signed] = noted(key.cosign(TEXT, time)).verify([verifier])

        assert (signed.key, signed.time) == (verifier, time)

    def test_signatures_by_unknown_keys_are_ignored(self) -> None:
        note = noted(BOB.sign(TEXT), ALICE.sign(TEXT), spoiled(BOB.sign(TEXT)))

        assert [signed.key.name for signed in note.verify([ALICE.verifier()])] == [ALICE.name]

    def test_sixteen_signatures_and_more_are_read(self) -> None:
        others = [SigningKey(f"other-{n}", Secret(bytes([n]) * 32)).sign(TEXT) for n in range(99)]
        note = Note.parse(noted(*others, ALICE.sign(TEXT)).encode())

        assert [signed.key for signed in note.verify([ALICE.verifier()])] == [ALICE.verifier()]

    def test_only_unknown_keys_are_not_enough(self) -> None:
        with pytest.raises(NoteError, match="no trusted key"):
            noted(BOB.sign(TEXT)).verify([ALICE.verifier()])

    def test_no_trusted_key_at_all_is_not_enough(self) -> None:
        with pytest.raises(NoteError, match="no trusted key"):
            noted(ALICE.sign(TEXT)).verify([])

    @pytest.mark.parametrize("first", [True, False])
    def test_a_known_key_that_fails_spoils_a_good_one(self, first: bool) -> None:
        lines = [ALICE.sign(TEXT), spoiled(BOB.sign(TEXT))]
        note = noted(*(lines if first else reversed(lines)))

        with pytest.raises(NoteError, match="bob does not verify"):
            note.verify([ALICE.verifier(), BOB.verifier()])

    @pytest.mark.parametrize("first", [True, False])
    def test_a_known_key_with_a_good_and_a_bad_line_is_refused(self, first: bool) -> None:
        lines = [ALICE.sign(TEXT), spoiled(ALICE.sign(TEXT))]
        note = noted(*(lines if first else reversed(lines)))

        with pytest.raises(NoteError, match="does not verify"):
            note.verify([ALICE.verifier()])

    def test_another_text_is_refused(self) -> None:
        with pytest.raises(NoteError, match="does not verify"):
            noted(ALICE.sign(TEXT), text="Rotated late.\n").verify([ALICE.verifier()])

    def test_the_name_alone_or_the_id_alone_makes_a_key_unknown(self) -> None:
        line = spoiled(ALICE.sign(TEXT))
        note = noted(
            ALICE.sign(TEXT),
            replace(line, key_id=b"\0\0\0\0"),
            replace(line, name="example.com/eve"),
        )

        assert len(note.verify([ALICE.verifier()])) == 1

    def test_a_signature_of_another_length_is_refused(self) -> None:
        line = ALICE.sign(TEXT)

        for signature in (b"\0", line.signature[:-1], line.signature + b"\0"):
            with pytest.raises(NoteError, match="does not verify"):
                noted(replace(line, signature=signature)).verify([ALICE.verifier()])

    def test_a_cosignature_is_no_signature_and_the_reverse(self) -> None:
        """The key id binds the type, so one never passes for the other."""
        cosignature = ALICE.verifier(SignatureType.COSIGNATURE)

        with pytest.raises(NoteError, match="no trusted key"):
            noted(ALICE.sign(TEXT)).verify([cosignature])
        with pytest.raises(NoteError, match="no trusted key"):
            noted(ALICE.cosign(TEXT, 1)).verify([ALICE.verifier()])

    def test_a_cosignature_with_its_time_changed_is_refused(self) -> None:
        line = ALICE.cosign(TEXT, 1_000)
        later = replace(line, signature=(2_000).to_bytes(8) + line.signature[8:])

        with pytest.raises(NoteError, match="does not verify"):
            noted(later).verify([ALICE.verifier(SignatureType.COSIGNATURE)])

    @pytest.mark.parametrize("time", [b"\x80" + bytes(7), b"\xff" * 8])
    def test_a_cosignature_beyond_the_last_second_is_refused(self, time: bytes) -> None:
        line = ALICE.cosign(TEXT, 1)

        with pytest.raises(NoteError, match="end of time"):
            noted(replace(line, signature=time + line.signature[8:])).verify(
                [ALICE.verifier(SignatureType.COSIGNATURE)]
            )

    def test_of_two_cosignatures_the_later_one_counts(self) -> None:
        note = noted(ALICE.cosign(TEXT, 2_000), ALICE.cosign(TEXT, 1_000))

        [signed] = note.verify([ALICE.verifier(SignatureType.COSIGNATURE)])

        assert signed.time == 2_000

    @pytest.mark.parametrize("time", [-1, 0, 2**63])
    def test_a_time_that_is_none_is_not_cosigned(self, time: int) -> None:
        with pytest.raises(NoteError, match="seconds"):
            ALICE.cosign(TEXT, time)


GOOD = SPEC_NOTE.decode()
LINE = GOOD.split("\n\n")[1]


class TestParsing:
    def test_the_last_empty_line_separates(self) -> None:
        text = "first\n\nsecond\n\nthird\n"

        note = Note.parse(noted(ALICE.sign(text), text=text).encode())

        assert note.text == text
        assert len(note.verify([ALICE.verifier()])) == 1

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param("", id="empty"),
            pytest.param("\n", id="a newline"),
            pytest.param("\n\n", id="no signatures"),
            pytest.param("text\n\n", id="text without signatures"),
            pytest.param("text\n" + LINE, id="no empty line"),
            pytest.param(GOOD[:-1], id="no newline at the end"),
            pytest.param(GOOD + "\n", id="an empty line at the end"),
            pytest.param(GOOD + "x", id="text after the signatures"),
            pytest.param(GOOD.replace("\n", "\r\n"), id="carriage returns"),
            pytest.param(GOOD.replace("example message", "example\tmessage"), id="a tab"),
            pytest.param(GOOD.replace("example message", "example\0message"), id="a NUL"),
            pytest.param(GOOD.replace("— ", "- "), id="hyphen for the dash"),
            pytest.param(GOOD.replace("— ", "—"), id="no space behind the dash"),
            pytest.param(GOOD.replace("— ", "—  "), id="two spaces behind the dash"),
            pytest.param(GOOD.replace("foo Uw", "foo  Uw"), id="two spaces behind the name"),
            pytest.param(GOOD.replace("foo Uw", "f oo Uw"), id="a space in the name"),
            pytest.param(GOOD.replace("foo Uw", "f+oo Uw"), id="a plus in the name"),
            pytest.param(GOOD.replace("foo Uw", "f\u00a0oo Uw"), id="a wide space in the name"),
            pytest.param(GOOD.replace("aQM=", "aQM"), id="base64 without padding"),
            pytest.param(GOOD.replace("aQM=", "aQN="), id="base64 with loose bits"),
            pytest.param(GOOD.replace("aQM=", "aQM=="), id="base64 with too much padding"),
            pytest.param(GOOD.replace("aQM=", "aQ_="), id="base64 for addresses"),
            pytest.param(f"text\n\n— {ALICE.name} AAAA\n", id="less than a key id"),
            pytest.param(f"text\n\n— {ALICE.name} AAAAAA==\n", id="a key id alone"),
            pytest.param("text\n\n" + LINE * 101, id="too many signatures"),
            pytest.param("x" * 1_000_000 + GOOD, id="too long"),
        ],
    )
    def test_what_breaks_the_format_is_refused(self, data: str) -> None:
        with pytest.raises(NoteError):
            Note.parse(data.encode())

    def test_what_is_not_utf_8_is_refused(self) -> None:
        with pytest.raises(NoteError, match="UTF-8"):
            Note.parse(b"\xff" + SPEC_NOTE)

    @given(data=st.binary() | st.text().map(str.encode))
    def test_any_bytes_parse_to_themselves_or_raise_the_one_error(self, data: bytes) -> None:
        try:
            note = Note.parse(data)
        except NoteError:
            return

        assert note.encode() == data

    @given(
        head=st.text(max_size=30),
        lines=st.lists(st.from_regex(r"\A— [^ ]{0,9} [A-Za-z0-9+/=]{0,16}\Z"), max_size=3),
    )
    def test_note_like_text_parses_to_itself_or_raises_the_one_error(
        self, head: str, lines: list[str]
    ) -> None:
        try:
            data = "".join([head, "\n\n", *(f"{line}\n" for line in lines)]).encode()
            note = Note.parse(data)
        except NoteError:
            return

        assert note.encode() == data


class TestVerifierKeys:
    @given(key=KEYS, kind=st.sampled_from(SignatureType))
    def test_a_key_parses_to_itself(self, key: SigningKey, kind: SignatureType) -> None:
        assert VerifierKey.parse(str(key.verifier(kind))) == key.verifier(kind)

    @pytest.mark.parametrize(
        ("vkey", "why"),
        [
            pytest.param("", "not a verifier key", id="empty"),
            pytest.param("https://audit.example.com/vkey", "not a verifier key", id="an address"),
            pytest.param(SPEC_VKEY + "\n", "not a verifier key", id="newline at the end"),
            pytest.param(SPEC_VKEY.replace("530d", "530D"), "not a verifier key", id="capitals"),
            pytest.param(SPEC_VKEY.replace("530d", "530e"), "key id", id="another key id"),
            pytest.param(SPEC_VKEY.replace("foo", "bar"), "key id", id="another name"),
            pytest.param(
                SPEC_VKEY.replace("foo", "f oo"), "not a verifier", id="space in the name"
            ),
            pytest.param(SPEC_VKEY.replace("/foo", ""), "key id", id="part of the name"),
            pytest.param(SPEC_VKEY[:-4], "32 bytes", id="key cut off"),
            pytest.param(SPEC_VKEY[:-1], "base64", id="base64 cut off"),
            pytest.param(SPEC_VKEY.replace("+Aek", "+Bek"), "0x05", id="another type"),
            pytest.param("a+00000000+AgAA", "0x02", id="ECDSA"),
            pytest.param("a+00000000+====", "base64", id="padding alone"),
            pytest.param("\udc80+00000000+" + "AQ" + "A" * 42, "UTF-8", id="not UTF-8"),
        ],
    )
    def test_what_is_no_verifier_key_is_refused(self, vkey: str, why: str) -> None:
        with pytest.raises(NoteError, match=why):
            VerifierKey.parse(vkey)

    @given(vkey=st.text() | st.from_regex(r"\A\S{1,9}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{0,44}={0,2}\Z"))
    def test_any_text_raises_the_one_error(self, vkey: str) -> None:
        with pytest.raises(NoteError):
            VerifierKey.parse(vkey)

    def test_a_signing_key_does_not_print(self) -> None:
        assert repr(ALICE) == "SigningKey('example.com/alice', …)"

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u2003b", "a\nb"])
    def test_a_name_that_cannot_stand_in_a_note_is_refused(self, name: str) -> None:
        with pytest.raises(NoteError, match="name"):
            SigningKey(name, Secret(bytes(32)))


class TestNumbersAndBytes:
    @pytest.mark.parametrize(
        "text", ["", "00", "01", "-1", "+1", "1 ", "1_0", "1e3", "٣", "9" * 5000]
    )
    def test_only_canonical_decimals_are_numbers(self, text: str) -> None:
        with pytest.raises(NoteError):
            decode_decimal(text)

    def test_the_largest_number_is_2_to_the_63_less_one(self) -> None:
        assert decode_decimal(str(2**63 - 1)) == 2**63 - 1
        with pytest.raises(NoteError):
            decode_decimal(str(2**63))

    @given(text=st.text())
    def test_base64_decodes_canonically_or_raises_the_one_error(self, text: str) -> None:
        try:
            data = decode_base64(text)
        except NoteError:
            return

        assert len(text) == -(-len(data) // 3) * 4
