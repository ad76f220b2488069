"""What the controls say, in words for somebody who has never met one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PLAIN: Final[Mapping[str, str]] = {
    "T02": "Everything that is stored is encrypted",
    "T03": "A secret written anywhere is found nowhere in clear",
    "T05": "Connections use TLS 1.2 or better, with a valid certificate",
    "T11": "No token lives for ever",
    "T12": "No root token is left",
    "T17": "Nothing outside production may reach production: by the rules",
    "T18": "Nothing outside production can reach production: tried",
    "T34": "Who may do what is what the policies say",
    "T35": "Who was granted nothing can do nothing",
    "T36": "Nobody is granted more than a task takes",
    "T62": "No entry of the log is missing or changed",
    "T63": "The log has as many entries as the server counted",
    "T64": "Each entry says who, what, when, from where and how it ended",
    "T67": "The log reaches back to the beginning of the period",
}


def in_plain_words(control: str, title: str) -> str:
    """Return what a control says; its own title where nothing plainer is known."""
    return PLAIN.get(control, title)
