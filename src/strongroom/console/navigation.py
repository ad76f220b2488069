"""Where the navigation leads, in the order of work; the letter goes there after `g`."""

from __future__ import annotations

from typing import Final

Link = tuple[str, str, str]  # path, words, letter

NAVIGATION: Final[tuple[tuple[str, tuple[Link, ...]], ...]] = (
    ("Now", (("/", "What needs you?", "h"), ("/notices", "Inbox", "i"))),
    (
        "Access",
        (
            ("/people", "People", "p"),
            ("/workloads", "Workloads", "w"),
            ("/groups", "Groups", "r"),
            ("/access", "Who can do what", "c"),
            ("/registrations", "Registrations", "n"),
            ("/requests", "Access requests", "a"),
            ("/changes", "Changes", "t"),
            ("/break-glass", "Break-glass", "b"),
        ),
    ),
    (
        "Compliance",
        (
            ("/documents", "Documents", "d"),
            ("/exceptions", "Exceptions", "x"),
        ),
    ),
    (
        "You",
        (
            ("/grants", "Your grants", "g"),
            ("/factors", "Your factors", "f"),
            ("/sessions", "Your sessions", "s"),
        ),
    ),
)

ENROLLING: Final = "/factors"  # where whoever must enrol a factor is sent
