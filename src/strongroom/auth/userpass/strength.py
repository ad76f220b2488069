"""How hard a person's password must be to guess, at a mount with the option `people = "true"`.

    at least 12 characters → not in the list of breached ones → zxcvbn's score at least 3 of 4

Specs   NIST SP 800-63B-4 section 3.1.1: a length, a blocklist, no rules of composition, no expiry.
        zxcvbn scores what an attacker would try: dictionaries of names, words and leaked
        passwords, dates, rows of keys; the user's own name is among the words. 3 of 4 means more
        than 10^8 guesses, each of which costs an Argon2id hash.
Limits  zxcvbn reads the first 72 characters. The list is a file of SHA-1 digests in hexadecimal,
        one a line, sorted, with anything after a colon: the format that Have I Been Pwned gives
        out. It is searched by halves, so that it may be as large as that one is.
Trust   The file says what is refused, and nothing else: whoever writes it can keep people from
        choosing a password, and let a breached one through.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from strongroom.base.errors import InputError, UnavailableError
from strongroom.base.secret import Secret

LEAST_CHARACTERS: Final = 12
LEAST_SCORE: Final = 3
READ: Final = 72  # characters that zxcvbn is given
DIGEST: Final = 40  # hexadecimal digits of SHA-1
LONGEST_LINE: Final = 128


class Breached(Protocol):
    """Knows passwords that are no secret any more."""

    def holds(self, password: Secret) -> bool:
        """Say whether this is one of them. Blocking."""
        ...


class NothingKnown:
    """No list was given."""

    def holds(self, password: Secret) -> bool:  # noqa: ARG002 - the contract
        return False


@dataclass(frozen=True, slots=True)
class BreachedFile:
    """A sorted file of SHA-1 digests."""

    path: Path

    def holds(self, password: Secret) -> bool:
        """Search by halves. Raises UnavailableError for a file that cannot be read."""
        wanted = hashlib.sha1(password.reveal(), usedforsecurity=False).hexdigest().upper().encode()
        try:
            with self.path.open("rb") as file:
                low, high = 0, file.seek(0, os.SEEK_END)
                while low < high:
                    middle = (low + high) // 2
                    file.seek(middle)
                    if middle:
                        file.seek(middle - 1)
                        file.readline(LONGEST_LINE)  # to the next line's beginning
                    found = file.readline(LONGEST_LINE)[:DIGEST].upper()
                    if found == wanted:
                        return True
                    if not found or found > wanted:
                        high = middle
                    else:
                        low = middle + 1
        except OSError:
            raise UnavailableError("the list of breached passwords cannot be read") from None
        return False


def check_strength(password: Secret, name: str, breached: Breached) -> None:
    """Raise InputError for a password that is too easy to guess; the entry does not say how.

    Blocking: scoring takes up to some tenths of a second.
    """
    text = password.text()
    if len(text) < LEAST_CHARACTERS:
        raise _refused(f"at least {LEAST_CHARACTERS} characters, such as four words of your own")
    if breached.holds(password):
        raise _refused("is in a list of passwords that others have lost")
    from zxcvbn import zxcvbn  # noqa: PLC0415 - reads its dictionaries when it is imported

    scored = zxcvbn(text[:READ], user_inputs=[name])
    if scored["score"] < LEAST_SCORE:
        why = scored["feedback"]["warning"] or "take words that do not belong together"
        raise _refused(f"too easy to guess: {why}")


def _refused(problem: str) -> InputError:
    return InputError("password", problem, logged="password: too easy to guess")
