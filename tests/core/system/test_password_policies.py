"""Passwords by policy: always within the rules, evenly chosen, and never in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.core.system.password_policies import (
    Charset,
    PasswordPolicy,
    parse_password_policy,
)
from strongroom.testing.mount import counted
from tests.core.system.room import Room, room

HCL = """
length = 12
rule "charset" { charset = "abcdef" min-chars = 3 }
rule "charset" {
  charset = "0123"
}
"""
JSON = """{"length": 12, "rule": [
  {"charset": [{"charset": "abcdef", "min-chars": 3}]},
  {"charset": {"charset": "0123"}}
]}"""


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        yield made


def rules() -> st.SearchStrategy[PasswordPolicy]:
    one = st.builds(
        lambda text, least: Charset(characters=tuple(dict.fromkeys(text)), least=least),
        st.text(min_size=1, max_size=20),
        st.integers(0, 5),
    )
    return st.builds(
        lambda length, some: PasswordPolicy(length=length, rules=tuple(some)),
        st.integers(25, 100),
        st.lists(one, min_size=1, max_size=5),
    )


class TestReading:
    @pytest.mark.parametrize("text", [HCL, JSON])
    def test_both_languages_say_the_same(self, text: str) -> None:
        policy = parse_password_policy(text)

        assert policy == PasswordPolicy(
            length=12,
            rules=(
                Charset(characters=tuple("abcdef"), least=3),
                Charset(characters=tuple("0123"), least=0),
            ),
        )

    def test_a_character_that_is_named_twice_counts_once(self) -> None:
        policy = parse_password_policy('length = 8 rule "charset" { charset = "aab" }')

        assert policy.rules[0].characters == ("a", "b")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "between 4 and 100"),
            ("length = 8", "no charset"),
            ('length = 8.5 rule "charset" { charset = "a" }', "line 1, column 1: length"),
            ('length = true rule "charset" { charset = "a" }', "whole number"),
            ('length = -8 rule "charset" { charset = "a" }', "whole number"),
            ('length = 8\nrule "charset" { charset = 7 }', "line 2, column 18"),
            ('length = 8\nrule "charset" { max-chars = 7 }', "unknown key 'max-chars'"),
            ('length = 8\nrule "charset" { charset = "a\\n" }', "non-printable"),
            ('length = 8\nrule "charset" { charset = "ab" min-chars = 9 }', "at least 9"),
            ('length = 8\nrule "words" { charset = "ab" }', "unrecognized rule type 'words'"),
            ('{"length": 8, "rule": "charset"}', "expected a rule"),
            ('{"length": 8, "rule": [7]}', "expected a rule"),
            ("lenght = 8", "unknown key 'lenght'"),
        ],
    )
    def test_what_is_wrong_is_named(self, text: str, problem: str) -> None:
        with pytest.raises(InputError, match=problem):
            parse_password_policy(text)

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            policy = parse_password_policy(text)
        except InputError:
            return
        assert 4 <= policy.length <= 100


class TestMaking:
    @given(rules())
    def test_a_password_keeps_the_rules(self, policy: PasswordPolicy) -> None:
        made = policy.generate(counted())

        assert len(made) == policy.length
        assert set(made) <= {c for rule in policy.rules for c in rule.characters}
        for rule in policy.rules:
            assert sum(character in rule.characters for character in made) >= rule.least

    def test_each_character_and_each_place_is_as_likely_as_the_others(self) -> None:
        policy = parse_password_policy(
            'length = 4 rule "charset" { charset = "abc" }\n'
            'rule "charset" { charset = "9" min-chars = 1 }'
        )
        entropy = counted()

        made = [policy.generate(entropy) for _ in range(8_000)]

        letters = Counter(c for password in made for c in password if c != "9")
        assert max(letters.values()) < 1.06 * min(letters.values())
        places = Counter(at for password in made for at, c in enumerate(password) if c == "9")
        assert max(places.values()) < 1.06 * min(places.values())


async def test_a_generated_password_is_not_in_the_log(ours: Room) -> None:
    await ours.ask("POST", "sys/policies/password/pw", {"policy": HCL})

    answer = await ours.ask("GET", "sys/policies/password/pw/generate")

    assert len(answer.data["password"]) == 12
    assert answer.data["password"] not in str(await ours.entries())
    assert (await ours.last())["metadata"]["event_code"] == "password_policy.generate"


async def test_a_bad_policy_leaves_the_good_one(ours: Room) -> None:
    await ours.ask("POST", "sys/policies/password/pw", {"policy": HCL})

    refused = await ours.ask("POST", "sys/policies/password/pw", {"policy": "length = 1"})

    assert refused.status == 400
    assert (await ours.ask("GET", "sys/policies/password/pw")).data == {"policy": HCL}
