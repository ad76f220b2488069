"""What is printed: aligned, calm, and the same with and without colour."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from strongroom.cli.render import Mark, Output, as_text, cell, how_long, when
from tests.cli.conftest import Shell
from tests.oracles.openbao import OpenBao


class Screen(io.TextIOWrapper):
    """A stream that says that it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


class TestValues:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0s"),
            (45, "45s"),
            (5_400, "1h 30m"),
            (86_400, "1 day"),
            (2_764_800, "32 days"),
            (90_061, "1d 1h 1m 1s"),
            (-1, "–"),  # noqa: RUF001
            (None, "–"),  # noqa: RUF001
        ],
    )
    def test_durations_read_as_people_say_them(self, seconds: int | None, text: str) -> None:
        assert how_long(seconds) == text

    @pytest.mark.parametrize(
        ("time", "text"),
        [
            ("2026-03-01T12:00:00Z", "2026-03-01 12:00:00 UTC"),
            ("2026-03-01T12:00:00.123456789Z", "2026-03-01 12:00:00 UTC"),
            ("2026-03-01T12:00:00+02:00", "2026-03-01 12:00:00 +02:00"),
            ("0001-01-01T00:00:00Z", "–"),  # noqa: RUF001
            ("", "–"),  # noqa: RUF001
            (None, "–"),  # noqa: RUF001
        ],
    )
    def test_times_are_to_the_second_and_name_their_zone(self, time: str | None, text: str) -> None:
        assert when(time) == text

    def test_lists_and_truth_are_words(self) -> None:
        assert as_text(["a", "b"]) == "a, b"
        assert as_text(True) == "yes"
        assert as_text({"a": [1]}) == '{"a": [1]}'


class TestTables:
    def test_columns_are_aligned_in_a_pipe(self, capsys: pytest.CaptureFixture[str]) -> None:
        Output("table", no_color=False).table(("a", "long name"), [("wide value", 1), ("b", 2)])

        assert capsys.readouterr().out == ("a           long name\nwide value  1\nb           2\n")

    def test_no_rows_are_said_on_the_standard_error(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Output("table", no_color=False).table(("a",), [], empty="nobody")

        assert capsys.readouterr() == ("", "nobody\n")

    def test_a_state_on_a_terminal_has_a_shape_a_word_and_a_colour(self) -> None:
        with redirect_stdout(Screen()) as screen:
            Output("table", no_color=False).table(("state",), [(cell(Mark.GOOD, "effective"),)])

        assert "✓" in screen.shown()
        assert " effective" in screen.shown()
        assert "\x1b[32m" in screen.shown()

    def test_no_color_means_no_escapes_at_all(self) -> None:
        output = Output("table", no_color=True)

        with redirect_stdout(Screen()) as screen:
            output.table(("state",), [(cell(Mark.GOOD, "effective"),)])
            output.line(output.state(Mark.BAD, "no"))
            output.title("a", "b")

        assert "\x1b" not in screen.shown()

    def test_markup_in_a_value_is_only_text(self) -> None:
        with redirect_stdout(Screen()) as screen:
            Output("table", no_color=True).table(("a",), [("[red]x[/red]",)])

        assert "[red]x[/red]" in screen.shown()

    def test_control_characters_of_a_cell_are_escaped(self) -> None:
        with redirect_stdout(Screen()) as screen:
            Output("table", no_color=True).table(("a",), [("x\x1b[31my",)])

        assert "x\\x1b[31my" in screen.shown()

    @pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b2J", "\u202e", "\x07", "\r", "\u2066"])
    def test_nothing_moves_the_cursor_or_turns_text_around(self, hostile: str) -> None:
        output = Output("table", no_color=True)

        with redirect_stdout(Screen()) as screen:
            output.fields({f"a{hostile}": hostile})
            output.table(("a",), [(f"b{hostile}",)])
            output.title(hostile, hostile)
            output.raw(hostile)
            output.json({hostile: hostile})
        with redirect_stdout(io.StringIO()) as pipe:
            output.fields({f"a{hostile}": hostile})
            output.table(("a",), [(f"b{hostile}",)])
            output.title(hostile, hostile)

        assert hostile not in screen.shown().replace("\r\n", "\n")
        assert hostile not in pipe.getvalue()

    def test_one_value_in_a_pipe_is_what_it_is(self) -> None:
        output = Output("table", no_color=True)

        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as pipe:
            output.raw("a\x1b[2J\u202e", newline=False)
            pipe.flush()

        assert pipe.buffer.getvalue().decode() == "a\x1b[2J\u202e"  # type: ignore[attr-defined]

    def test_a_terminal_of_ascii_gets_ascii(self) -> None:
        output = Output("table", no_color=True)

        with redirect_stdout(Screen("ascii")) as screen:
            output.line(output.state(Mark.ON, "unsealed"))
            output.line("Zoë")

        assert screen.shown() == "* unsealed\nZo?\n"


class TestColours:
    def test_a_terminal_has_them_and_no_color_takes_them_away(
        self, shell: Shell, vault: OpenBao
    ) -> None:
        plain = shell.terminal("status").out
        shell.environment["NO_COLOR"] = ""
        coloured = shell.terminal("status").out

        assert "\x1b[32m●\x1b[0m unsealed" in coloured
        assert "\x1b" not in plain
        assert "● unsealed" in plain
