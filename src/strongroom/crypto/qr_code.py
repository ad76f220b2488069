"""A QR code: the picture of a text, for a camera; as a path, as a PNG, as block characters.

Specs  ISO/IEC 18004, by the `segno` library: error correction M, at least the quiet zone of four
       modules around it; SVG 2 paths; PNG of one bit a pixel.
Units  A module is one square of the code; a path and `width` are in modules, a PNG in pixels.
Trust  A picture says what its text says: that of an app's key is as secret as the key. It is made
       here and nowhere else, from nothing but the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

from strongroom.base.secret import Secret
from strongroom.crypto.errors import PictureError

if TYPE_CHECKING:
    from segno import QRCode

LONGEST: Final = 512  # bytes of a text; beyond it no app's camera is a pleasure
QUIET: Final = 4
LARGEST: Final = 1024  # pixels of a side of a PNG
# A cell of two modules, the upper first, by whether each is light. Terminals are mostly dark, so
# what is drawn is what is light.
_CELLS: Final = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


@dataclass(frozen=True, slots=True)
class QrCode:
    """One code, with the quiet zone around it; `rows` say of each module whether it is dark."""

    made: QRCode
    rows: tuple[tuple[bool, ...], ...]

    def __repr__(self) -> str:
        return "QrCode(…)"

    @property
    def width(self) -> int:
        """The modules of a side."""
        return len(self.rows)

    def path(self) -> Secret:
        """Return what is dark as the `d` of an SVG path, a rectangle for each run of modules."""
        parts = []
        for y, row in enumerate(self.rows):
            x = 0
            while x < len(row):
                length = 1
                while x + length < len(row) and row[x + length] is row[x]:
                    length += 1
                if row[x]:
                    parts.append(f"M{x} {y}h{length}v1h-{length}z")
                x += length
        return Secret("".join(parts))

    def blocks(self) -> str:
        """Return lines of block characters, two modules high, that draw what is light."""
        light = [[not dark for dark in row] for row in self.rows]
        if len(light) % 2:
            light.append([True] * self.width)
        pairs = zip(light[::2], light[1::2], strict=True)
        return "\n".join(
            "".join(_CELLS[above, below] for above, below in zip(upper, lower, strict=True))
            for upper, lower in pairs
        )

    def png(self, side: int) -> Secret:
        """Return a PNG of about this many pixels a side, with at least one for each module."""
        scale = max(1, min(side, LARGEST) // self.width)
        out = BytesIO()
        self.made.save(out, kind="png", scale=scale, border=QUIET)
        return Secret(out.getvalue())


def qr_code(text: Secret) -> QrCode:
    """Return the code of a text in ASCII, as URLs are.

    Raises PictureError for any other, since cameras would guess at it, and for one that is long.
    """
    import segno  # noqa: PLC0415 - for the few requests that need it

    if not (0 < len(text.reveal()) <= LONGEST and text.reveal().isascii()):
        raise PictureError
    made = segno.make_qr(text.reveal().decode(), error="m", boost_error=False)
    rows = tuple(tuple(map(bool, row)) for row in made.matrix_iter(border=QUIET))
    return QrCode(made, rows)
