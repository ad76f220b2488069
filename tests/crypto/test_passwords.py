"""Password hashes and passphrase keys."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.errors import PasswordError
from strongroom.crypto.passwords import (
    decoy,
    hash_password,
    needs_rehash,
    passphrase_key,
    verify_password,
)

# The reference implementation's own test (P-H-C/phc-winner-argon2, src/test.c), "password"
# and "somesalt": memory in KiB, iterations, lanes, hash.
REFERENCE = [
    (65536, 2, 1, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
    (256, 2, 1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
    (256, 2, 2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
]
REFERENCE_PHC = (
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
)


class TestHashes:
    def test_the_password_verifies_and_another_does_not(self) -> None:
        phc = hash_password(Secret("correct horse"), os.urandom)

        verify_password(phc, Secret("correct horse"))
        with pytest.raises(PasswordError, match="does not match"):
            verify_password(phc, Secret("battery staple"))

    def test_a_hash_says_its_cost_and_not_the_password(self) -> None:
        phc = hash_password(Secret("hunter2"), bytes)

        assert phc.startswith("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$")
        assert "hunter2" not in phc

    def test_one_password_hashes_differently_each_time(self) -> None:
        first, second = (hash_password(Secret("same"), os.urandom) for _ in range(2))

        assert first != second

    def test_a_hash_of_the_reference_implementation_verifies(self) -> None:
        verify_password(REFERENCE_PHC, Secret("password"))

        with pytest.raises(PasswordError):
            verify_password(REFERENCE_PHC, Secret("Password"))

    @settings(max_examples=5, deadline=None)
    @given(password=st.text())
    def test_any_text_is_a_password(self, password: str) -> None:
        verify_password(hash_password(Secret(password), os.urandom), Secret(password))


class TestCost:
    def test_a_hash_at_the_current_cost_stays(self) -> None:
        assert not needs_rehash(hash_password(Secret("same"), bytes))

    def test_a_hash_at_another_cost_is_made_anew(self) -> None:
        assert needs_rehash(REFERENCE_PHC)

    def test_the_decoy_costs_what_a_hash_costs_and_matches_nothing(self) -> None:
        real = hash_password(Secret("anything"), os.urandom)

        assert decoy().split("$")[:4] == real.split("$")[:4]
        assert [len(part) for part in decoy().split("$")] == [len(p) for p in real.split("$")]
        with pytest.raises(PasswordError, match="does not match"):
            verify_password(decoy(), Secret("anything"))


class TestMalformed:
    @pytest.mark.parametrize(
        "phc",
        [
            pytest.param("", id="empty"),
            pytest.param("plaintext", id="not a hash"),
            pytest.param(REFERENCE_PHC.replace("argon2id", "argon2i"), id="another variant"),
            pytest.param(REFERENCE_PHC.replace("v=19", "v=16"), id="another version"),
            pytest.param(REFERENCE_PHC.replace("m=65536", "m=0"), id="no memory"),
            pytest.param(REFERENCE_PHC.replace("m=65536,t=2,p=1", "m=8,t=2,p=64"), id="m < 8p"),
            pytest.param(REFERENCE_PHC.replace("c29tZXNhbHQ", "####"), id="salt not base64"),
            pytest.param(REFERENCE_PHC[:-20], id="hash cut off"),
            pytest.param(REFERENCE_PHC + "\n", id="newline at the end"),
            pytest.param(REFERENCE_PHC.replace("65536", "\uff165536"), id="digits not ASCII"),
        ],
    )
    def test_a_hash_that_cannot_be_read_never_verifies(self, phc: str) -> None:
        with pytest.raises(PasswordError):
            verify_password(phc, Secret("password"))

    @pytest.mark.parametrize(
        ("cost", "forged"), [("m=65536", "m=1048577"), ("t=2", "t=33"), ("p=1", "p=65")]
    )
    def test_a_hash_that_would_exhaust_the_server_is_not_computed(
        self, cost: str, forged: str
    ) -> None:
        with pytest.raises(PasswordError, match="costs too much"):
            verify_password(REFERENCE_PHC.replace(cost, forged), Secret("password"))

    @given(phc=st.text() | st.from_regex(r"\A\$argon2id\$v=19\$m=\d{1,2},t=\d,p=\d\$\w*\$\w*\Z"))
    def test_any_text_raises_the_one_error(self, phc: str) -> None:
        with pytest.raises(PasswordError):
            verify_password(phc, Secret("password"))


class TestPassphraseKeys:
    @pytest.mark.parametrize(("memory_kib", "iterations", "lanes", "key"), REFERENCE)
    def test_a_key_is_what_the_reference_implementation_gives(
        self, memory_kib: int, iterations: int, lanes: int, key: str
    ) -> None:
        derived = passphrase_key(
            Secret("password"),
            b"somesalt",
            memory_kib=memory_kib,
            iterations=iterations,
            lanes=lanes,
        )

        assert derived.hex() == key

    def test_the_default_is_the_second_recommended_option_of_rfc_9106(self) -> None:
        salt = bytes(16)

        assert passphrase_key(Secret("open"), salt) == passphrase_key(
            Secret("open"), salt, memory_kib=64 * 1024, iterations=3, lanes=4
        )

    def test_a_salt_that_is_too_short_is_refused(self) -> None:
        with pytest.raises(ValueError, match="salt"):
            passphrase_key(Secret("open"), b"short")
