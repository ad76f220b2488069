"""One-time codes: the RFCs' own answers, and which codes are taken."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.crypto.errors import CodeError
from strongroom.crypto.totp import NEVER, Algorithm, Rules, check, hotp, otpauth, step_at

# RFC 4226, appendix D: counters 0 to 9 of the key "12345678901234567890".
RFC_4226 = (
    *("755224", "287082", "359152", "969429", "338314"),
    *("254676", "287922", "162583", "399871", "520489"),
)
# RFC 6238, appendix B: Unix time, and the codes under SHA-1, SHA-256 and SHA-512.
RFC_6238 = (
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
)
# The appendix's keys are as long as each hash: its program shows them, its text does not.
KEYS = {
    Algorithm.SHA1: Secret(b"1234567890" * 2),
    Algorithm.SHA256: Secret((b"1234567890" * 4)[:32]),
    Algorithm.SHA512: Secret((b"1234567890" * 7)[:64]),
}
KEY, RULES = KEYS[Algorithm.SHA1], Rules()
NOW = 1_767_225_600


def code(step: int) -> Secret:
    return Secret(hotp(step, KEY, 6))


@pytest.mark.parametrize(("counter", "wanted"), list(enumerate(RFC_4226)))
def test_codes_of_counters_are_those_of_rfc_4226(counter: int, wanted: str) -> None:
    assert hotp(counter, KEY, 6) == wanted


@pytest.mark.parametrize(("seconds", "sha1", "sha256", "sha512"), RFC_6238)
def test_codes_of_times_are_those_of_rfc_6238(
    seconds: int, sha1: str, sha256: str, sha512: str
) -> None:
    step = step_at(seconds, 30)

    found = [hotp(step, KEYS[algorithm], 8, algorithm) for algorithm in Algorithm]

    assert found == [sha1, sha256, sha512]


@pytest.mark.parametrize("drift", [-1, 0, 1])
def test_a_code_of_one_step_either_side_is_taken(drift: int) -> None:
    step = NOW // 30 + drift

    assert check(code(step), KEY, RULES, seconds=NOW, spent=NEVER) == step


@pytest.mark.parametrize("drift", [-3, -2, 2, 3])
def test_a_code_of_a_step_further_off_is_not(drift: int) -> None:
    with pytest.raises(CodeError):
        check(code(NOW // 30 + drift), KEY, RULES, seconds=NOW, spent=NEVER)


def test_without_skew_only_the_code_of_now_is_taken() -> None:
    strict = Rules(skew=0)

    assert check(code(NOW // 30), KEY, strict, seconds=NOW, spent=NEVER) == NOW // 30
    with pytest.raises(CodeError):
        check(code(NOW // 30 - 1), KEY, strict, seconds=NOW, spent=NEVER)


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_step_is_spent_with_all_before_it(earlier: int) -> None:
    step = NOW // 30

    with pytest.raises(CodeError):
        check(code(step - earlier), KEY, RULES, seconds=NOW, spent=step)


@pytest.mark.parametrize("text", ["", "0", "00000", "0000000", "abcdef", "\uff11" * 6, "\0" * 6])
def test_what_is_no_code_is_not_taken(text: str) -> None:
    with pytest.raises(CodeError):
        check(Secret(text), KEY, RULES, seconds=NOW, spent=NEVER)


@given(st.integers(0, 10), st.integers(-1, 10), st.integers(0, 10))
def test_each_step_is_taken_once_whatever_the_order(at: int, spent: int, given_step: int) -> None:
    seconds = at * 30
    try:
        step = check(code(given_step), KEY, RULES, seconds=seconds, spent=spent)
    except CodeError:
        assert given_step <= spent or abs(given_step - at) > 1
    else:
        assert step == given_step > spent


def test_an_app_reads_the_key_back_from_the_url() -> None:
    made = urlsplit(otpauth(KEY, RULES, issuer="a b", account="ada@x").text())

    assert (made.scheme, made.netloc, made.path) == ("otpauth", "totp", "/a%20b:ada%40x")
    assert {name: values[0] for name, values in parse_qs(made.query).items()} == {
        "algorithm": "SHA1",
        "digits": "6",
        "issuer": "a b",
        "period": "30",
        "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    }
