"""The token that `strongroom login` leaves behind, and where Vault's own CLI leaves its.

Trust  Whoever reads the file is the person who logged in, until the token ends. It is written
       for its owner alone and renamed into place; one that others may read is refused.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from strongroom.base.secret import Secret
from strongroom.cli.errors import CommandError

_MOST_BYTES = 65_536
_TOKEN = re.compile(r"[\x21-\x7e]+")


def own_path(home: Path) -> Path:
    """Return where `login` stores the token."""
    return home / ".strongroom" / "token"


def find(home: Path) -> Secret | None:
    """Return the stored token, ours before Vault's; None where there is neither.

    Raises `CommandError` for a file that is not its owner's alone.
    """
    for path in (own_path(home), home / ".vault-token"):
        if (token := _read(path)) is not None:
            return token
    return None


def _read(path: Path) -> Secret | None:
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            text = file.read(_MOST_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise CommandError(f"{path} cannot be read: {problem.strerror}") from None
    if stat.S_IMODE(state.st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise CommandError(f"{path} can be read by others", f"chmod 600 {path}")
    if state.st_uid != os.geteuid():
        raise CommandError(f"{path} belongs to somebody else", "log in again")
    return checked(text, str(path)) if text else None


def checked(text: str, where: str) -> Secret:
    """Return a token that can stand in a header; `where` names its origin in the error."""
    if not _TOKEN.fullmatch(text):
        raise CommandError(f"{where} does not hold a token", "log in again")
    return Secret(text)


def store(home: Path, token: Secret) -> Path:
    """Write the token for its owner alone; a crash leaves the old file or the new one."""
    path = own_path(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_name(f"token.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(token.reveal())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return path


def forget(home: Path) -> bool:
    """Remove our file; say whether there was one."""
    try:
        own_path(home).unlink()
    except FileNotFoundError:
        return False
    return True
