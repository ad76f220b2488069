"""The cubbyhole as a caller meets it; its store is one token's already."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.base.errors import InputError, NotFoundError, UnsupportedError
from strongroom.core.router import Operation
from strongroom.engines.cubbyhole.engine import Cubbyhole
from strongroom.testing.mount import Mount, shown


async def mounted(*paths: str) -> Mount:
    """Return a cubbyhole with a value at each path."""
    mount = Mount(Cubbyhole())
    for path in paths:
        await mount.write(path, n=1)
    return mount


@pytest.mark.parametrize(
    "value", [{"a": 1, "ttl": "1h"}, {"a": {"b": [1, None, "é\u0000"]}, "path": "x"}]
)
async def test_the_body_is_the_value(value: dict[str, Any]) -> None:
    mount = Mount(Cubbyhole())
    assert await mount.write("app", **value) == {}

    assert shown(await mount.read("app")) == value
    assert mount.reply.fields is None


async def test_a_write_replaces_all_of_it() -> None:
    mount = Mount(Cubbyhole())
    await mount.write("app", a=1)
    await mount.write("app", b=2)

    assert shown(await mount.read("app")) == {"b": 2}


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
async def test_nothing_cannot_be_stored(body: bytes) -> None:
    with pytest.raises(InputError, match=r"^missing data fields$"):
        await Mount(Cubbyhole()).send(Operation.WRITE, "app", body=body)


@pytest.mark.parametrize(
    "body", [b"[]", b'"x"', b"{", b'{"a":1e400}', b'{"a":"\\ud800"}', b"\xff", b'{"a":NaN}']
)
async def test_a_body_that_cannot_be_kept_stores_nothing(body: bytes) -> None:
    mount = Mount(Cubbyhole())

    with pytest.raises(InputError) as caught:
        await mount.send(Operation.WRITE, "app", body=body)

    assert mount.store.records == {}
    assert caught.value.__context__ is None


async def test_a_folder_cannot_be_written() -> None:
    with pytest.raises(InputError, match="cannot write to a path ending in '/'"):
        await Mount(Cubbyhole()).write("app/", a=1)


@pytest.mark.parametrize("path", ["none", "app/", "app/b", ""])
async def test_nothing_is_found_at_any_other_path(path: str) -> None:
    with pytest.raises(NotFoundError):
        await (await mounted("app")).read(path)


async def test_a_deleted_value_is_gone() -> None:
    mount = await mounted("app")
    await mount.delete("app")
    await mount.delete("app")

    with pytest.raises(NotFoundError):
        await mount.read("app")


async def test_names_are_listed() -> None:
    mount = await mounted("a", "b/c", "b/d/e")

    assert await mount.list("") == {"keys": ["a", "b/"]}
    assert await mount.list("b/") == {"keys": ["c", "d/"]}
    assert await mount.list("", after="a", limit=1) == {"keys": ["b/"]}


async def test_an_empty_list_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        await Mount(Cubbyhole()).list("")


@pytest.mark.parametrize("operation", [Operation.SCAN, Operation.PATCH])
async def test_what_it_cannot_do_is_said(operation: Operation) -> None:
    with pytest.raises(UnsupportedError):
        await (await mounted("app")).send(operation, "app")


async def test_what_is_not_there_is_created() -> None:
    mount = await mounted("app")

    assert await mount.exists("app", n=2)
    assert not await mount.exists("other", n=2)
