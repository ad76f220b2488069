"""Workbooks and pages of a pack, as the programs of others read them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from strongroom.controls import CONTROLS
from strongroom.evidence.pages import breakable, render
from strongroom.evidence.sheets import harmless, write_sheet
from strongroom.evidence.staging import Staging, zip_folder
from tests.evidence.conftest import Taken
from tests.evidence.tampering import unpacked

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


def sheet(path: Path, text: str = "plain") -> Path:
    write_sheet(
        path,
        about=[("query", "=1+1")],
        columns={"index": "number", "path": "text"},
        rows=[{"index": 7, "path": text}],
        made_at=NOON,
    )
    return path


class TestWorkbooks:
    def test_rows_have_their_types_and_the_first_sheet_says_what_they_are(
        self, taken: Taken
    ) -> None:
        book = openpyxl.load_workbook(io.BytesIO(unpacked(taken.path)["populations/P08/rows.xlsx"]))

        about = {row[0].value: row[1].value for row in book["About"].iter_rows()}
        assert about["population"] == "P08: Access to secrets"
        assert "SIMULATED" in about["clock"]
        assert about["reconcile"].startswith(f"{about['rows']} rows = {about['rows']} leaves")
        head, first = list(book["Rows"].iter_rows(max_row=2, values_only=True))
        assert head[:2] == ("index", "time")
        assert isinstance(first[0], int)
        assert book["Rows"].freeze_panes == "A2"

    @pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"])
    def test_what_looks_like_a_formula_is_text(self, text: str, tmp_path: Path) -> None:
        book = openpyxl.load_workbook(sheet(tmp_path / "rows.xlsx", text))

        cell = book["Rows"]["B2"]
        assert (cell.data_type, cell.value) == ("s", f"'{text}")
        assert book["About"]["B1"].value == "'=1+1"

    def test_the_same_rows_give_the_same_bytes(self, tmp_path: Path) -> None:
        one, other = sheet(tmp_path / "one.xlsx"), sheet(tmp_path / "other.xlsx")

        assert one.read_bytes() == other.read_bytes()

    @given(st.text())
    def test_no_text_begins_like_a_formula(self, text: str) -> None:
        assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


class TestPages:
    def test_a_result_says_its_verdict_its_period_and_that_time_was_simulated(
        self, taken: Taken
    ) -> None:
        reader = PdfReader(io.BytesIO(unpacked(taken.path)["tests/T62/result.pdf"]))

        text = reader.pages[0].extract_text()
        assert "The log is complete in sequence" in text
        assert "effective" in text
        assert "2026-07-02 00:00 to 2026-07-15 01:00 UTC" in text
        assert all("clock of this server was simulated" in p.extract_text() for p in reader.pages)

    def test_the_readme_says_what_the_pack_does_not_prove(self, taken: Taken) -> None:
        reader = PdfReader(io.BytesIO(unpacked(taken.path)["README.pdf"]))

        text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
        assert "What it does not prove" in text
        assert "no witness cosigns proves nothing against whoever controls its own host" in text
        assert taken.vkey in text

    def test_the_summary_lists_every_test(self, taken: Taken) -> None:
        reader = PdfReader(io.BytesIO(unpacked(taken.path)["summary.pdf"]))

        text = " ".join(page.extract_text() for page in reader.pages)
        table = text.partition("By criterion")[0]
        assert [c.id for c in CONTROLS if c.id not in table] == []

    @pytest.mark.parametrize("page", ["summary.pdf", "README.pdf"])
    def test_a_partial_pack_says_on_its_pages_which_tests_it_has_not(
        self, page: str, taken: Taken, whole: Taken
    ) -> None:
        part, full = (
            " ".join(" ".join(p.extract_text() for p in PdfReader(io.BytesIO(data)).pages).split())
            for data in (unpacked(whole.path)[page], unpacked(taken.path)[page])
        )

        assert "This pack is partial: T02, T03, T05" in part
        assert "T92 are not in this pack" in part
        assert "partial" not in full

    def test_text_of_others_is_never_markup(self) -> None:
        frame = {
            "title": '#panic("no") *bold* $x$',
            "system": "#lorem(5)",
            "period": "",
            "made_at": "",
            "simulated": False,
        }
        data = frame | {"words": "", "vkey": "k", "folders": [], "verdicts": [], "limits": []}

        text = PdfReader(io.BytesIO(render("readme", data))).pages[0].extract_text()

        assert '#panic("no") *bold* $x$' in text
        assert "#lorem(5)" in text

    def test_the_same_data_gives_the_same_bytes(self) -> None:
        data = {
            "title": "t",
            "system": "s",
            "period": "",
            "made_at": "",
            "simulated": True,
            "words": "",
            "vkey": "k",
            "folders": [],
            "verdicts": [],
            "limits": ["one"],
        }

        assert render("readme", data) == render("readme", data)

    @given(st.text())
    def test_where_a_word_may_break_nothing_is_lost(self, text: str) -> None:
        kept = text.replace("\u200b", "")

        assert breakable(kept).replace("\u200b", "") == kept


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "files")
    for name in ("b.txt", "a/c.json"):
        staging.write(name, f"content of {name}")

    for target in ("one.zip", "two.zip"):
        zip_folder(staging.folder, tmp_path / target)

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
