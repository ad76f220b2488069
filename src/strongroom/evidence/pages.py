"""Pages for people: PDF by Typst, from templates and data, with nothing else read.

Trust   Text of others reaches Typst as data and is never read as markup. Only the fonts that
        come with Typst are used, so that a page looks the same, byte for byte, everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "templates"
_BREAKS = re.compile(r"([/._,:+\-])(?=\S)")
_LONG = re.compile(r"(\S{28})(?=\S)")
SPACE = "\u200b"  # where a long word may be broken


def breakable(text: str) -> str:
    """Return a text that can be broken within long paths and digests."""
    return _LONG.sub(rf"\1{SPACE}", _BREAKS.sub(rf"\1{SPACE}", text))


def render(template: str, data: Mapping[str, Any]) -> bytes:
    """Return the PDF of a template: "result", "summary", "readme", "review". Blocking."""
    import typst  # noqa: PLC0415 - needed for packs only

    source = "".join((FOLDER / f"{n}.typ").read_text(encoding="utf-8") for n in ("frame", template))
    pdf: bytes = typst.compile(
        source.encode(),
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        ignore_system_fonts=True,
    )
    return pdf
