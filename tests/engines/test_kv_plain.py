"""KV version 1 as a caller meets it."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

import pytest

from strongroom.base.errors import InputError, NotFoundError, UnsupportedError
from strongroom.core.router import Operation
from strongroom.engines.kv.plain import PlainKv
from strongroom.sdk.engine import Touched
from strongroom.testing.mount import Mount, shown

DEFAULT = 2_764_800


async def mounted(*paths: str) -> Mount:
    """Return a mount with a value at each path."""
    mount = Mount(PlainKv())
    for path in paths:
        await mount.write(path, n=1)
    return mount


class TestValues:
    @pytest.mark.parametrize(
        "value", [{"a": 1}, {"a": {"b": [1, None, "é\u0000"]}, "path": "x", "after": "y"}]
    )
    async def test_the_body_is_the_value(self, value: dict[str, Any]) -> None:
        mount = Mount(PlainKv())
        assert await mount.write("app", **value) == {}

        assert shown(await mount.read("app")) == value

    async def test_a_write_replaces_all_of_it(self) -> None:
        mount = Mount(PlainKv())
        await mount.write("app", a=1, b=2)
        await mount.write("app", c=3)

        assert shown(await mount.read("app")) == {"c": 3}

    @pytest.mark.parametrize("body", [b"", b"{}", b"null", b" "])
    async def test_nothing_cannot_be_stored(self, body: bytes) -> None:
        with pytest.raises(InputError, match=r"^missing data fields$"):
            await Mount(PlainKv()).send(Operation.WRITE, "app", body=body)

    @pytest.mark.parametrize(
        "body", [b"[]", b'"x"', b"{", b'{"a":1e400}', b'{"a":"\\ud800"}', b"\xff", b'{"a":NaN}']
    )
    async def test_a_body_that_cannot_be_kept_stores_nothing(self, body: bytes) -> None:
        mount = Mount(PlainKv())

        with pytest.raises(InputError):
            await mount.send(Operation.WRITE, "app", body=body)

        assert mount.store.records == {}

    async def test_a_folder_cannot_be_written(self) -> None:
        with pytest.raises(InputError, match="cannot write to a path ending in '/'"):
            await Mount(PlainKv()).write("app/", a=1)

    async def test_a_deleted_value_is_gone(self) -> None:
        mount = await mounted("app")
        await mount.delete("app")
        await mount.delete("app")

        with pytest.raises(NotFoundError):
            await mount.read("app")

    async def test_there_is_no_patch(self) -> None:
        with pytest.raises(UnsupportedError):
            await (await mounted("app")).patch("app", n=2)

    async def test_what_is_not_there_is_created(self) -> None:
        mount = await mounted("app")

        assert await mount.exists("app", n=2)
        assert not await mount.exists("app/b", n=2)

    async def test_reads_and_writes_say_the_fingerprint(self) -> None:
        mount = await mounted("app")
        expected = Touched(fingerprint=hmac.digest(b"fingerprint", b'{"n":1}', "sha256"))
        assert mount.reply.touched == expected

        await mount.read("app")

        assert mount.reply.touched == expected


class TestLeaseDuration:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ({"a": 1}, DEFAULT),
            ({"ttl": "1h"}, 3600),
            ({"ttl": 90}, 90),
            ({"ttl": "90"}, 90),
            ({"ttl": "1.5h"}, 5400),
            ({"ttl": "2d"}, 172_800),
            ({"ttl": "9000h"}, 32_400_000),
            ({"ttl": "-5s"}, -5),
            ({"ttl": "0s"}, 0),
            ({"ttl": None}, 0),
            ({"lease": "2h"}, 7200),
            ({"lease": "2h", "ttl": "1h"}, 3600),
            ({"lease": "2h", "ttl": "soon"}, DEFAULT),
            ({"ttl": {"a": 1}}, DEFAULT),
            ({"ttl": 1.5}, DEFAULT),
            ({"ttl": True}, DEFAULT),
            ({"ttl": 10**17}, DEFAULT),
        ],
    )
    async def test_the_data_may_say_how_long_it_is_good(
        self, value: dict[str, Any], seconds: int
    ) -> None:
        mount = Mount(PlainKv())
        await mount.write("app", **value)

        assert shown(await mount.read("app")) == value
        assert mount.reply.fields == {"lease_duration": seconds}
        assert mount.reply.lease is None

    async def test_the_mounts_own_default_holds(self) -> None:
        mount = Mount(PlainKv(), default_ttl=timedelta(minutes=5))
        await mount.write("app", a=1)
        await mount.read("app")

        assert mount.reply.fields == {"lease_duration": 300}


class TestLists:
    async def test_names_are_listed_and_scanned(self) -> None:
        mount = await mounted("a", "b", "b/c", "b/d/e", "é")

        assert await mount.list("") == {"keys": ["a", "b", "b/", "é"]}
        assert await mount.list("b/") == {"keys": ["c", "d/"]}
        assert await mount.list("", after="a", limit=2) == {"keys": ["b", "b/"]}
        assert await mount.scan("") == {"keys": ["a", "b", "b/c", "b/d/e", "é"]}
        assert await mount.scan("b", limit=1) == {"keys": ["c"]}

    async def test_nothing_is_not_listed_but_scanned(self) -> None:
        mount = await mounted("a")

        with pytest.raises(NotFoundError):
            await mount.list("a")
        assert await mount.scan("a") == {}
