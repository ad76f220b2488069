"""URLs of SQLite databases: `sqlite://` and the absolute path of a file, percent-encoded.

There is nothing to say in one but the path. A bare `?` or `#` is refused: what stands behind it
would look like an option and be a part of a file's name. Written `%3F` and `%23`, both are names.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from strongroom.base.errors import InputError

SCHEME = "sqlite://"
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def sqlite_url(path: Path) -> str:
    """Return the URL of a file, named by an absolute path."""
    return f"{SCHEME}{quote(bytes(path))}"


def sqlite_path(url: str, field: str) -> Path:
    """Return the file that a URL names; InputError, naming `field`, if it names none."""
    rest = url.removeprefix(SCHEME)
    if rest == url or not rest.startswith("/") or rest.endswith("/"):
        raise InputError(field, 'must be "sqlite://" and the absolute path of a file')
    if "?" in rest or "#" in rest:
        problem = "a SQLite URL has no options: of a file's name, write ? as %3F and # as %23"
        raise InputError(field, problem)
    if _STRAY_PERCENT.search(rest):
        raise InputError(field, "holds a % that encodes nothing; write a % of a file's name as %25")
    try:
        path = unquote_to_bytes(rest).decode()
    except UnicodeDecodeError:
        raise InputError(field, "not UTF-8") from None
    if "\0" in path:
        raise InputError(field, "the name of no file holds NUL")
    return Path("/" + path.lstrip("/"))
