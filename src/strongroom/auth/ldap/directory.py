"""What is asked of a directory: who somebody is, that they know their password, their groups.

Blocking; `lanes.py` runs it in a thread.

Order   With a search: account → find → bind as who was found → account → groups. Without: bind by
        the name that the configuration makes → read one's own entry → groups.
        A URL that cannot be asked, or gives an answer that cannot be used, is followed by the
        next; each gets its share of the time that is left.
Trust   For a name that nobody has, or several have, somebody who cannot exist is bound in their
        place, with the same password: the directory is asked the same number of questions. What
        comes of that bind is refused even if the directory says yes. Who is vouched for is the
        entry whose own name was bound; its attributes are the directory's word.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from strongroom.auth.ldap.ber import element
from strongroom.auth.ldap.connection import (
    NO_SUCH_OBJECT,
    SIZE_LIMIT,
    SUCCESS,
    Connection,
    Entry,
    Search,
    connected,
    only,
)
from strongroom.auth.ldap.names import common_name, escaped
from strongroom.auth.ldap.records import DEREFERENCE, Config
from strongroom.auth.ldap.settings import Asking
from strongroom.base.errors import DeniedError, UpstreamError
from strongroom.base.secret import Secret

Answer = TypeVar("Answer")

NOBODY: Final = "the directory has nobody, or several, of this name"
MOST_GROUPS: Final = 2_000
LONGEST_GROUP: Final = 512  # characters
_ANYTHING = element(0x87, b"objectClass")
# What directories write into the entry of an account that may not log in.
_LOCKED = ("userAccountControl", "nsAccountLock", "pwdAccountLockedTime")
_DISABLED = 0x2  # of userAccountControl, Active Directory
_FOR_GOOD = "000001010000Z"  # as the time of a lock, of the password policy overlay


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody as the directory has them. `names` are the values of `userattr`."""

    entry: str
    names: tuple[str, ...]
    groups: tuple[str, ...]


def prove(asked: Asking, name: str, password: Secret, nobody: str, until: float) -> Person:
    """Return who has this name and this password.

    An empty `name` is nobody's. `nobody` is a name that nobody can have. Raises DeniedError where
    the directory refuses, UpstreamError where it does not answer as it should.
    """

    def ask(connection: Connection) -> Person:
        if asked.config.searches_first:
            return _found_and_bound(asked, connection, name, password, nobody)
        return _bound_by_name(asked, connection, name, password, nobody)

    return _first_answer(asked, until, ask)


def look_up(asked: Asking, name: str, until: float) -> Person:
    """Return who has this name, without a password.

    Raises DeniedError for nobody, several, and a disabled account; UpstreamError as `prove` does,
    and where the directory lets nobody search.
    """

    def ask(connection: Connection) -> Person:
        _be_searcher(asked.config, connection)
        entry = _find(asked, connection, name)
        if entry is None:
            raise DeniedError(NOBODY)
        return _person(asked, connection, entry, name)

    return _first_answer(asked, until, ask)


def _first_answer(asked: Asking, until: float, ask: Callable[[Connection], Answer]) -> Answer:
    """Ask one URL after the other until one gives an answer, be it a refusal."""
    problem: UpstreamError | None = None
    left = len(asked.addresses)
    for address in asked.addresses:
        now = time.monotonic()
        share = now + (until - now) / left
        left -= 1
        try:
            with connected(
                address,
                asked.trusted,
                start_tls=asked.config.starttls,
                within=asked.config.connection_timeout.total_seconds(),
                until=share,
            ) as connection:
                return ask(connection)
        except UpstreamError as error:
            problem = problem or error
    raise problem or UpstreamError("no directory is configured")


def _found_and_bound(
    asked: Asking, connection: Connection, name: str, password: Secret, nobody: str
) -> Person:
    _be_searcher(asked.config, connection)
    entry = _find(asked, connection, name or nobody)
    if entry is None or not entry.name or not name:
        _refuse(asked.config, connection, password, nobody)
    connection.bind(entry.name, password)
    _be_searcher(asked.config, connection)
    return _person(asked, connection, entry, name)


def _bound_by_name(
    asked: Asking, connection: Connection, name: str, password: Secret, nobody: str
) -> Person:
    config = asked.config
    if not name or (config.upndomain and set(name) & set("@\\/")):
        _refuse(config, connection, password, nobody)
    connection.bind(_bind_name(config, name), password)
    if config.upndomain:
        entry = _find(asked, connection, name)
        if entry is None or not entry.name:
            raise DeniedError(NOBODY)
        connection.bind(entry.name, password)  # the entry is that of whose password this is
    else:
        entry = _read(asked, connection, _bind_name(config, name))
    return _person(asked, connection, entry, name)


def _refuse(config: Config, connection: Connection, password: Secret, nobody: str) -> NoReturn:
    """Bind as nobody, and refuse whatever comes of it."""
    with suppress(DeniedError):
        connection.bind(_bind_name(config, nobody), password)
    raise DeniedError(NOBODY)


def _bind_name(config: Config, name: str) -> str:
    if config.upndomain and not config.searches_first:
        return f"{name}@{config.upndomain}"
    return f"{config.userattr}={escaped(name)}" + (f",{config.userdn}" if config.userdn else "")


def _be_searcher(config: Config, connection: Connection) -> None:
    if config.bindpass is None or not config.binddn:
        connection.be_nobody()
        return
    try:
        connection.bind(config.binddn, config.bindpass)
    except DeniedError:
        raise UpstreamError("the directory refuses the account that searches it") from None


def _find(asked: Asking, connection: Connection, name: str) -> Entry | None:
    """Return the one entry of this name; None for nobody, and for several."""
    config = asked.config
    values = {"UserAttr": config.userattr.encode(), "Username": name.encode()}
    if config.upndomain:
        values = {
            "UserAttr": b"userPrincipalName",
            "Username": f"{name}@{config.upndomain}".encode(),
        }
    found = connection.search(
        Search(
            base=config.userdn,
            filter=asked.user_filter.filled(values),
            attributes=(config.userattr, *_LOCKED),
            dereference=DEREFERENCE[config.dereference_aliases],
            most=2,
        )
    )
    if found.code == SIZE_LIMIT:
        return None
    _check_done(found.code, "userdn")
    return only(found.entries)


def _read(asked: Asking, connection: Connection, name: str) -> Entry:
    """Return the entry of this name, as its own user sees it."""
    attributes = (asked.config.userattr, *_LOCKED)
    found = connection.search(
        Search(base=name, filter=_ANYTHING, attributes=attributes, whole=False)
    )
    entry = only(found.entries)
    if found.code != SUCCESS or entry is None:
        raise UpstreamError("the directory does not show users their own entry; set a binddn")
    return entry


def _check_done(code: int, base: str) -> None:
    if code == NO_SUCH_OBJECT:
        raise UpstreamError(f"the directory has, or shows, no {base} as configured")
    if code != SUCCESS:
        raise UpstreamError("the directory does not finish the search")


def is_disabled(entry: Entry) -> bool:
    """Say whether an entry says that its account may not log in."""
    control = next(iter(entry.texts("userAccountControl")), "0")
    return (
        not control.lstrip("-").isdecimal()
        or bool(int(control[:20]) & _DISABLED)
        or any(value.lower() == "true" for value in entry.texts("nsAccountLock"))
        or _FOR_GOOD in entry.texts("pwdAccountLockedTime")
    )


def _person(asked: Asking, connection: Connection, entry: Entry, name: str) -> Person:
    if is_disabled(entry):
        raise DeniedError("the account is disabled")
    return Person(
        entry=entry.name,
        names=entry.texts(asked.config.userattr),
        groups=_groups(asked, connection, entry, name),
    )


def _groups(asked: Asking, connection: Connection, entry: Entry, name: str) -> tuple[str, ...]:
    config = asked.config
    if asked.group_filter is None:
        return ()
    if config.anonymous_group_search:
        connection.be_nobody()
    values = {"UserDN": entry.name.encode(), "Username": _spelled(config, entry, name).encode()}
    found = connection.search(
        Search(
            base=config.groupdn,
            filter=asked.group_filter.filled(values),
            attributes=(config.groupattr,),
            dereference=DEREFERENCE[config.dereference_aliases],
            page=config.max_page_size,
        )
    )
    _check_done(found.code, "groupdn")
    names = dict.fromkeys(each for group in found.entries for each in _names(config, group))
    kept = [each for each in names if 0 < len(each) <= LONGEST_GROUP and "\0" not in each]
    if len(kept) > MOST_GROUPS:
        raise UpstreamError(f"the directory gives more than {MOST_GROUPS:,} groups")
    return tuple(sorted(kept))


def _spelled(config: Config, entry: Entry, name: str) -> str:
    """Return a name as the directory spells it: some compare `memberUid` by case."""
    return next((n for n in entry.texts(config.userattr) if n.lower() == name.lower()), name)


def _names(config: Config, group: Entry) -> list[str]:
    """Return what an entry says that groups are called: its values, or its own common name."""
    values = group.texts(config.groupattr) or (group.name,)
    if config.groupattr.lower() == "cn" and group.texts("cn"):
        return list(values)
    return [common_name(value) or value for value in values]
