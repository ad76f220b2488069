"""The mount in memory keeps the promises that the real one makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from strongroom.base.errors import DeniedError, InputError, NotFoundError, UnsupportedError
from strongroom.base.secret import Secret
from strongroom.core.router import Operation
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import (
    Call,
    Endpoint,
    Json,
    Lease,
    Named,
    Nothing,
    Page,
    Reply,
    Route,
    Store,
)
from strongroom.testing.mount import Mount, counted, shown


@dataclass(frozen=True, kw_only=True)
class NewNote(Named):
    text: Secret
    extra: Json | None = None
    fail: bool = False


@dataclass(frozen=True, kw_only=True)
class Note:
    text: Secret
    extra: Json | None
    made: datetime


@dataclass(frozen=True, kw_only=True)
class Attempt:
    name: str
    password: Secret


class Notes:
    """An engine and an auth method in one."""

    kind: ClassVar[str] = "notes"

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(path="notes", summary="All.", list=Endpoint(Page, self.names)),
            Route(
                path="notes/{name}",
                summary="One.",
                read=Endpoint(Named, self.read),
                write=Endpoint(NewNote, self.write),
                patch=Endpoint(NewNote, self.write),
                delete=Endpoint(Named, self.drop),
                exists=self.exists,
            ),
            Route(path="facts", summary="The call.", read=Endpoint(Nothing, self.facts)),
            Route(path="lease", summary="A lease.", read=Endpoint(Nothing, self.lease)),
        )

    def login(self) -> Login[Attempt]:
        return Login("login/{name}", Attempt, self.prove, lambda given: given.name)

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        return TokenRules()

    async def prove(self, call: Call, given: Attempt) -> Proof:
        if given.password.text() != "open":
            raise DeniedError
        return Proof(alias=given.name, shown_by="password", rules=TokenRules())

    async def names(self, call: Call, page: Page) -> Reply:
        names = await call.store.names("note/", after=page.after, limit=page.limit)
        return Reply({"keys": names}, warnings=("listed",))

    async def exists(self, call: Call, given: NewNote) -> bool:
        return await call.store.find(f"note/{given.name}", Note) is not None

    async def write(self, call: Call, new: NewNote) -> None:
        note = Note(text=new.text, extra=new.extra, made=call.now)
        await call.store.put(f"note/{new.name}", note, fingerprint=call.fingerprint(b"x"))
        held = await call.store.find(f"note/{new.name}", Note)
        assert held is not None
        assert held.entry is None
        call.warnings.append("written")
        if new.fail:
            raise InputError("fail", "as asked")

    async def read(self, call: Call, given: Named) -> Reply:
        held = await call.store.find(f"note/{given.name}", Note)
        if held is None:
            raise NotFoundError
        note = held.value
        return Reply({"text": note.text, "extra": note.extra, "entry": held.entry})

    async def drop(self, call: Call, given: Named) -> None:
        await call.store.delete(f"note/{given.name}")

    async def facts(self, call: Call, given: Nothing) -> Reply:
        return Reply({"now": call.now, "random": call.entropy(4).hex(), "path": call.mount.path})

    async def lease(self, call: Call, given: Nothing) -> Reply:
        return Reply({}, lease=Lease(ttl=timedelta(1), max_ttl=timedelta(2), data={"id": "1"}))


async def test_a_note_comes_back_with_the_entry_that_wrote_it() -> None:
    mount = Mount(Notes())
    await mount.write("notes/a", text=Secret("hidden"), extra=Json(b'{"x": 1.50}'))

    note = await mount.read("notes/a")

    assert note["extra"] == Json(b'{"x": 1.50}')
    assert shown(note) == {"text": "hidden", "extra": {"x": 1.5}, "entry": 0}
    assert "hidden" not in repr(mount.store)


async def test_a_handler_that_raises_leaves_nothing_but_an_entry() -> None:
    mount = Mount(Notes())
    with pytest.raises(InputError, match="as asked"):
        await mount.write("notes/a", text="b", fail=True)

    assert mount.store.records == {}
    assert mount.store.entry == 0


async def test_time_moves_only_when_the_test_moves_it() -> None:
    mount = Mount(Notes(), at=60)
    before = (await mount.read("facts"))["now"]
    mount.at += 1.5

    assert before == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert (await mount.read("facts"))["now"] - before == timedelta(seconds=1.5)


async def test_randomness_repeats_from_run_to_run_and_never_within_one() -> None:
    first, second = Mount(Notes()), Mount(Notes())
    drawn = [(await first.read("facts"))["random"] for _ in range(3)]

    assert drawn == [(await second.read("facts"))["random"] for _ in range(3)]
    assert len(set(drawn)) == 3
    assert counted(b"other")(4).hex() not in drawn


async def test_lists_take_a_page() -> None:
    mount = Mount(Notes())
    for name in ("c", "a", "b"):
        await mount.write(f"notes/{name}", text="x")
    await mount.delete("notes/c")

    assert await mount.list("notes/", limit=1) == {"keys": ["a"]}
    assert await mount.list("notes", after="a") == {"keys": ["b"]}


async def test_warnings_are_gathered_from_decoder_handler_and_reply() -> None:
    mount = Mount(Notes())
    await mount.write("notes/a", text="x", typo=1)
    written = mount.warnings
    await mount.list("notes")

    assert written == ("Endpoint ignored these unrecognized parameters: [typo]", "written")
    assert mount.warnings == ("listed",)


async def test_an_operation_that_is_not_declared_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        await Mount(Notes()).scan("notes")


async def test_raw_bodies_reach_the_decoder() -> None:
    with pytest.raises(InputError, match="not JSON"):
        await Mount(Notes()).send(Operation.PATCH, "notes/a", body=b"{")


async def test_a_write_is_told_a_create_from_an_update() -> None:
    mount = Mount(Notes())
    before = await mount.exists("notes/a", text="x")
    await mount.write("notes/a", text="x")

    assert (before, await mount.exists("notes/a", text="x")) == (False, True)


async def test_a_login_gives_its_proof() -> None:
    mount = Mount(Notes())
    proof = await mount.login(name="alice", password=Secret("open"))

    assert (proof.alias, proof.shown_by) == ("alice", "password")
    with pytest.raises(DeniedError):
        await mount.login(name="alice", password=Secret("shut"))


async def test_the_reply_is_kept_for_what_is_not_data() -> None:
    mount = Mount(Notes(), path="team/notes/")
    await mount.read("lease")

    assert mount.reply.lease is not None
    assert mount.reply.lease.data == {"id": "1"}
    assert (await mount.read("facts"))["path"] == "team/notes/"


async def store_of(keys: Mapping[str, int]) -> Store:
    mount = Mount(Notes())
    async with mount.call() as call:
        for key, value in keys.items():
            await call.store.put(key, value)
    async with mount.call() as call:
        return call.store


class TestStore:
    async def test_names_are_direct_children_and_keys_are_all(self) -> None:
        store = await store_of({"a/b": 1, "a/c/d": 2, "a/c/e": 3, "a/é": 4, "b": 5})

        assert await store.names("a/") == ["b", "c/", "é"]
        assert await store.names("a/", after="c/", limit=0) == ["é"]
        assert await store.names("") == ["a/", "b"]
        assert await store.keys("a/", limit=2) == ["b", "c/d"]
        assert await store.keys("a/", after="c/d") == ["c/e", "é"]

    async def test_what_is_deleted_in_a_request_is_gone_for_it(self) -> None:
        store = await store_of({"a": 1, "b": 2})
        await store.delete("a")

        assert await store.find("a", int) is None
        assert await store.keys("") == ["b"]
        with pytest.raises(NotFoundError):
            await store.fetch("a", int)

    @pytest.mark.parametrize("key", ["a\0b", "x" * 5000])
    async def test_a_key_that_the_database_would_not_take_is_refused(self, key: str) -> None:
        with pytest.raises(InputError):
            await (await store_of({})).put(key, 1)
