"""Workbooks: what something is on the first sheet, its rows on the second.

Trust   Text of others stands in the rows, and some programs run text that begins like a formula.
        Every text is written as text, and one that begins with `=`, `+`, `-`, `@`, a tab or a
        line break gets an apostrophe before it, so that it stays text when it is copied on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
LONGEST = 32_000  # a cell holds 32,767 characters
MOST_ROWS = 1_000_000  # a sheet holds 1,048,576
WIDTHS = {"number": 12, "time": 24, "text": 34}


def harmless(text: str) -> str:
    """Return a text that no program takes for a formula."""
    cut = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return f"'{cut}" if cut.startswith(FORMULA) else cut


def write_sheet(
    path: Path,
    *,
    about: Sequence[tuple[str, str]],
    columns: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]],
    made_at: datetime,
) -> None:
    """Write a workbook; the same bytes for the same arguments. Blocking."""
    import xlsxwriter  # noqa: PLC0415 - needed for packs only

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"created": made_at.replace(tzinfo=None), "author": "strongroom"})
        label = book.add_format({"bold": True, "valign": "top", "font_color": "#3a3a3a"})
        text = book.add_format({"text_wrap": True, "valign": "top"})
        head = book.add_format({"bold": True, "bottom": 1, "bg_color": "#f2f0eb"})
        first = book.add_worksheet("About")
        first.set_column(0, 0, 26)
        first.set_column(1, 1, 110)
        first.hide_gridlines(2)
        for at, (name, value) in enumerate(about):
            first.write_string(at, 0, name, label)
            first.write_string(at, 1, harmless(value), text)
        _rows(book.add_worksheet("Rows"), columns, rows, head)


def _rows(
    sheet: Any, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]], head: Any
) -> None:
    for at, (name, kind) in enumerate(columns.items()):
        sheet.set_column(at, at, WIDTHS[kind])
        sheet.write_string(0, at, name, head)
    sheet.freeze_panes(1, 0)
    last = 0
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS:
            sheet.write_string(number, 0, "cut here; rows.jsonl has them all")
            break
        last = number
        for at, (name, kind) in enumerate(columns.items()):
            value = row.get(name)
            if kind == "number" and isinstance(value, int):
                sheet.write_number(number, at, value)
            elif value is not None:
                sheet.write_string(number, at, harmless(str(value)))
    sheet.autofilter(0, 0, max(last, 1), len(columns) - 1)
