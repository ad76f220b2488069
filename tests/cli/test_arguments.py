"""Command lines in Vault's spelling, and KEY=VALUE arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.cli.arguments import read_pairs, with_double_dashes
from strongroom.cli.errors import CommandError


def typed(what: str) -> str:
    return f"typed for {what}"


class TestDashes:
    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("-field=x", "--field=x"),
            ("-mount", "--mount"),
            ("-ca-cert=f", "--ca-cert=f"),
            ("-key_shares=1", "--key-shares=1"),
            ("-field=a\nb", "--field=a\nb"),
            ("--field=x", "--field=x"),
            ("-f", "-f"),
            ("-", "-"),
            ("-5", "-5"),
            ("key=-value", "key=-value"),
        ],
    )
    def test_a_long_option_may_have_one_dash(self, written: str, read: str) -> None:
        assert with_double_dashes([written]) == [read]

    def test_a_short_option_may_have_an_equals_sign(self) -> None:
        assert with_double_dashes(["-n=5"]) == ["-n", "5"]

    def test_what_is_behind_two_dashes_belongs_to_somebody_else(self) -> None:
        words = ["run", "-env=A=b#c", "--", "ls", "-la", "--", "-field=x"]

        assert with_double_dashes(words) == ["run", "--env=A=b#c", *words[2:]]

    @given(st.lists(st.text()))
    def test_doing_it_twice_is_doing_it_once(self, words: list[str]) -> None:
        once = with_double_dashes(words)

        assert with_double_dashes(once) == once


class TestPairs:
    def test_values_are_text_files_or_typed(self, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"
        file.write_text("line\nline\n")

        found = read_pairs(["a=b=c", f"d=@{file}", "e=-", "f=", "g=\\@x"], typed)

        assert found == {"a": "b=c", "d": "line\nline\n", "e": "typed for e", "f": "", "g": "@x"}

    def test_a_file_alone_is_an_object(self, tmp_path: Path) -> None:
        file = tmp_path / "all.json"
        file.write_text('{"a": 1, "b": {"c": [true]}}')

        assert read_pairs([f"@{file}", "d=e"], typed) == {"a": 1, "b": {"c": [True]}, "d": "e"}

    def test_the_standard_input_alone_is_an_object(self) -> None:
        assert read_pairs(["-"], lambda _: '{"a": null}') == {"a": None}

    def test_a_key_given_twice_becomes_a_list(self) -> None:
        assert read_pairs(["a=1", "a=2", "a=3"], typed) == {"a": ["1", "2", "3"]}

    @pytest.mark.parametrize("word", ["hunter2", "=hunter2"])
    def test_an_argument_without_a_key_is_named_by_its_place_alone(self, word: str) -> None:
        with pytest.raises(CommandError, match="argument 2 is not of the form") as caught:
            read_pairs(["a=b", word], typed)

        assert "hunter2" not in str(caught.value)

    def test_json_that_is_none_is_not_repeated(self) -> None:
        with pytest.raises(CommandError, match="not a JSON object") as caught:
            read_pairs(["-"], lambda _: '["hunter2"')

        assert "hunter2" not in str(caught.value)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=r"none\.txt cannot be read: No such file"):
            read_pairs([f"a=@{tmp_path}/none.txt"], typed)

    def test_a_file_that_is_not_text_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "b").write_bytes(b"\xff\xfe")

        with pytest.raises(CommandError, match="not UTF-8"):
            read_pairs([f"a=@{tmp_path}/b"], typed)
