"""KV version 2 as a caller meets it: data, and versions that come and go."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest

from strongroom.base.errors import InputError, NotFoundError, UnsupportedError
from strongroom.core.router import Operation
from strongroom.engines.kv.versioned import VersionedKv
from strongroom.sdk.engine import Json, Touched
from strongroom.testing.mount import Mount, shown
from strongroom.testing.store import RequestStore

FIRST = "2026-01-01T00:00:00Z"
FACTS = {
    "created_time": FIRST,
    "custom_metadata": None,
    "deletion_time": "",
    "destroyed": False,
    "version": 1,
}


async def mounted(*versions: dict[str, Any]) -> Mount:
    """Return a mount with these versions at `app`."""
    mount = Mount(VersionedKv())
    for data in versions:
        await mount.write("data/app", data=data)
    return mount


async def read(mount: Mount, path: str = "data/app", **query: object) -> Any:
    return shown(await mount.read(path, **query))


def fingerprint(data: bytes) -> bytes:
    return hmac.digest(b"fingerprint", data, "sha256")


class TestReading:
    async def test_the_newest_version_is_given_with_its_facts(self) -> None:
        mount = await mounted({"password": "x"})

        assert await read(mount) == {"data": {"password": "x"}, "metadata": FACTS}

    async def test_the_newest_version_costs_one_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        mount = await mounted(*({"n": n} for n in range(12)))
        asked = []
        found = RequestStore.find

        async def counted(self: RequestStore, key: str, kind: type) -> Any:
            asked.append(key)
            return await found(self, key, kind)

        monkeypatch.setattr(RequestStore, "find", counted)
        await mount.read("data/app")

        assert asked == ["current/app"]

    async def test_the_data_goes_out_as_it_is_stored(self) -> None:
        mount = await mounted({"b": 1, "a": "é"})

        assert (await mount.read("data/app"))["data"] == Json('{"a":"é","b":1}'.encode())

    @pytest.mark.parametrize(("version", "n"), [(0, 3), (-1, 3), (3, 3), (1, 1), (2, 2)])
    async def test_a_version_is_given_by_its_number(self, version: int, n: int) -> None:
        mount = await mounted({"n": 1}, {"n": 2}, {"n": 3})

        found = await read(mount, version=version)

        assert (found["data"], found["metadata"]["version"]) == ({"n": n}, n)

    @pytest.mark.parametrize("version", [2, 2**63 - 1])
    async def test_a_version_that_never_was_is_not_found(self, version: int) -> None:
        with pytest.raises(NotFoundError) as caught:
            await (await mounted({"n": 1})).read("data/app", version=version)

        assert caught.value.data is None

    @pytest.mark.parametrize("version", ["x", "1.5", "1e3", str(2**63), "0x1", "٣"])
    async def test_a_version_that_is_no_number_is_the_callers_error(self, version: str) -> None:
        with pytest.raises(InputError, match="version"):
            await (await mounted({"n": 1})).read("data/app", version=version)

    @pytest.mark.parametrize("path", ["data/none", "data/app/", "data/app/b", "data/ap", "data/"])
    async def test_nothing_is_found_at_any_other_path(self, path: str) -> None:
        with pytest.raises(NotFoundError):
            await (await mounted({"n": 1})).read(path)

    async def test_a_deleted_version_is_not_found_but_described(self) -> None:
        mount = await mounted({"n": 1})
        await mount.delete("data/app")

        with pytest.raises(NotFoundError) as caught:
            await mount.read("data/app")

        assert caught.value.data == {
            "data": None,
            "metadata": FACTS | {"deletion_time": FIRST},
        }


class TestWriting:
    async def test_a_write_gives_the_facts_of_the_new_version(self) -> None:
        mount = await mounted({"n": 1})
        mount.at += 0.25

        assert await mount.write("data/app", data={"n": 2}) == FACTS | {
            "created_time": "2026-01-01T00:00:00.25Z",
            "version": 2,
        }

    @pytest.mark.parametrize(
        "data", [{}, {"a": {"b": [1, None, "é\u0000\U0001f600"]}}, {"n": 2**70, "f": 0.1}]
    )
    async def test_what_was_written_is_read(self, data: dict[str, Any]) -> None:
        mount = await mounted()
        await mount.send(Operation.WRITE, "data/app", body=_written({"data": data}).encode())

        assert (await mount.read("data/app"))["data"] == Json(_written(data).encode())

    async def test_null_is_a_version_without_content(self) -> None:
        mount = await mounted({"n": 1})
        await mount.write("data/app", data=None)

        assert (await read(mount))["data"] is None

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"null", b'{"options":{"cas":0}}', b'{"extra":1}']
    )
    async def test_a_write_without_data_is_the_callers_error(self, body: bytes) -> None:
        with pytest.raises(InputError, match=r"^no data provided$"):
            await Mount(VersionedKv()).send(Operation.WRITE, "data/app", body=body)

    @pytest.mark.parametrize("data", ['"hush"', "5", "[]", '[{"hush":1}]', "true"])
    async def test_data_that_is_no_object_is_refused_without_being_shown(self, data: str) -> None:
        with pytest.raises(InputError, match="data: expected an object") as caught:
            await Mount(VersionedKv()).send(
                Operation.WRITE, "data/app", body=f'{{"data":{data}}}'.encode()
            )

        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize("body", [b"[1]", b'"x"', b"{", b'{"data":{"a":1e400}}', b"\xff"])
    async def test_a_body_that_cannot_be_kept_stores_nothing(self, body: bytes) -> None:
        mount = Mount(VersionedKv())

        with pytest.raises(InputError):
            await mount.send(Operation.WRITE, "data/app", body=body)

        assert mount.store.records == {}

    @pytest.mark.parametrize("operation", [Operation.WRITE, Operation.PATCH, Operation.DELETE])
    @pytest.mark.parametrize("name", ["data", "metadata"])
    async def test_a_folder_cannot_be_written(self, operation: Operation, name: str) -> None:
        mount = await mounted({"n": 1})

        with pytest.raises(InputError, match="cannot write to a path ending in '/'"):
            await mount.send(operation, f"{name}/app/", body=b'{"data":{}}')

    async def test_a_path_with_a_nul_is_the_callers_error(self) -> None:
        with pytest.raises(InputError, match="NUL"):
            await Mount(VersionedKv()).write("data/a\0b", data={})

    async def test_a_path_may_look_like_another_ones_version(self) -> None:
        mount = await mounted({"n": 1}, {"n": 2})
        await mount.write("data/app/0000000001", data={"n": "other"})
        await mount.delete("metadata/app/0000000001")

        assert (await read(mount, version=1))["data"] == {"n": 1}

    async def test_the_eleventh_version_drops_the_first(self) -> None:
        mount = await mounted(*({"n": n} for n in range(1, 12)))

        with pytest.raises(NotFoundError):
            await mount.read("data/app", version=1)
        assert (await read(mount, version=2))["data"] == {"n": 2}
        assert sum(key.startswith("version/") for key in mount.store.records) == 9

    async def test_a_secret_that_keeps_one_version_has_one_row(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("metadata/app", max_versions=1)
        for n in range(3):
            await mount.write("data/app", data={"n": n})

        assert list(mount.store.records) == ["current/app"]


class TestCheckAndSet:
    @pytest.mark.parametrize("cas", [2, "2"])
    async def test_the_newest_version_may_be_replaced(self, cas: object) -> None:
        mount = await mounted({"n": 1}, {"n": 2})

        assert (await mount.write("data/app", data={}, options={"cas": cas}))["version"] == 3

    @pytest.mark.parametrize("cas", [0, None, "", False])
    async def test_zero_is_for_a_secret_that_is_not_there(self, cas: object) -> None:
        mount = Mount(VersionedKv())
        await mount.write("data/app", data={}, options={"cas": cas})

        with pytest.raises(InputError, match="did not match the current version"):
            await mount.write("data/app", data={}, options={"cas": cas})

    @pytest.mark.parametrize("cas", [0, 1, 3, "0", None, True, 2**63])
    @pytest.mark.parametrize("operation", ["write", "patch"])
    async def test_any_other_version_is_refused(self, operation: str, cas: object) -> None:
        mount = await mounted({"n": 1}, {"n": 2})

        with pytest.raises(
            InputError, match=r"^check-and-set parameter did not match the current version$"
        ):
            await getattr(mount, operation)("data/app", data={}, options={"cas": cas})

    @pytest.mark.parametrize("cas", [1.5, "x", [], {}, "1" * 5_000, 10**30, "\uff12"])
    async def test_what_is_no_version_is_refused(self, cas: object) -> None:
        body = _written({"data": {}, "options": {"cas": cas}}).encode()

        with pytest.raises(InputError):
            await Mount(VersionedKv()).send(Operation.WRITE, "data/app", body=body)

    async def test_a_deleted_version_still_counts(self) -> None:
        mount = await mounted({"n": 1})
        await mount.delete("data/app")

        assert (await mount.write("data/app", data={}, options={"cas": 1}))["version"] == 2

    @pytest.mark.parametrize("where", ["config", "metadata/app"])
    @pytest.mark.parametrize("operation", ["write", "patch"])
    async def test_it_can_be_required(self, where: str, operation: str) -> None:
        mount = await mounted({"n": 1})
        await mount.write(where, cas_required=True)

        with pytest.raises(InputError, match=r"^check-and-set parameter required for this call$"):
            await getattr(mount, operation)("data/app", data={})
        assert (await getattr(mount, operation)("data/app", data={}, options={"cas": 1}))[
            "version"
        ] == 2


class TestPatching:
    async def test_a_patch_is_merged_into_the_newest_version(self) -> None:
        mount = await mounted({"a": 1}, {"a": {"x": 1, "y": 2}, "b": 2})

        assert (await mount.patch("data/app", data={"a": {"y": None, "z": 3}}))["version"] == 3
        assert (await read(mount))["data"] == {"a": {"x": 1, "z": 3}, "b": 2}
        assert (await read(mount, version=2))["data"] == {"a": {"x": 1, "y": 2}, "b": 2}

    async def test_a_patch_of_nothing_is_not_found(self) -> None:
        with pytest.raises(NotFoundError):
            await Mount(VersionedKv()).patch("data/app", data={})

    async def test_a_patch_of_a_deleted_version_is_not_found_but_described(self) -> None:
        mount = await mounted({"a": 1})
        await mount.delete("data/app")

        with pytest.raises(NotFoundError) as caught:
            await mount.patch("data/app", data={})

        assert caught.value.data == FACTS | {"deletion_time": FIRST}

    async def test_null_can_be_patched(self) -> None:
        mount = await mounted({"a": 1})
        await mount.patch("data/app", data=None)
        await mount.patch("data/app", data={"b": 2})

        assert (await read(mount))["data"] == {"b": 2}


class TestDeletion:
    async def test_a_deleted_version_comes_back(self) -> None:
        mount = await mounted({"n": 1}, {"n": 2})
        await mount.write("delete/app", versions=[1, 2])
        await mount.write("undelete/app", versions=[1, 2])

        assert (await read(mount, version=1))["data"] == {"n": 1}
        assert (await read(mount))["data"] == {"n": 2}

    async def test_deleting_the_newest_leaves_the_others(self) -> None:
        mount = await mounted({"n": 1}, {"n": 2})
        await mount.delete("data/app")

        with pytest.raises(NotFoundError):
            await mount.read("data/app")
        assert (await read(mount, version=1))["data"] == {"n": 1}

    async def test_a_destroyed_version_never_comes_back(self) -> None:
        mount = await mounted({"n": "old"}, {"n": "new"})
        await mount.write("destroy/app", versions=[1, 2])
        await mount.write("undelete/app", versions=[1, 2])

        for version in (1, 2):
            with pytest.raises(NotFoundError) as caught:
                await mount.read("data/app", version=version)
            assert caught.value.data == {
                "data": None,
                "metadata": FACTS | {"destroyed": True, "version": version},
            }
        assert b"old" not in _stored(mount)
        assert b"new" not in _stored(mount)

    async def test_a_version_follows_a_destroyed_one(self) -> None:
        mount = await mounted({"n": 1})
        await mount.write("destroy/app", versions=[1])

        assert (await mount.write("data/app", data={"n": 2}))["version"] == 2

    @pytest.mark.parametrize("path", ["delete", "undelete", "destroy"])
    @pytest.mark.parametrize("body", [b"", b'{"versions":[]}', b'{"versions":null}'])
    async def test_a_version_must_be_named(self, path: str, body: bytes) -> None:
        mount = await mounted({"n": 1})

        with pytest.raises(InputError, match=r"(?i)^no version number provided$"):
            await mount.send(Operation.WRITE, f"{path}/app", body=body)

    @pytest.mark.parametrize("path", ["delete", "undelete", "destroy"])
    @pytest.mark.parametrize("versions", [[1.5], ["x"], [{}], {"a": 1}, [2**64], [[1]]])
    async def test_a_version_is_a_number(self, path: str, versions: object) -> None:
        mount = await mounted({"n": 1})

        with pytest.raises(InputError, match="versions"):
            await mount.write(f"{path}/app", versions=versions)

    @pytest.mark.parametrize("path", ["delete", "undelete", "destroy"])
    @pytest.mark.parametrize("versions", [[0, -1, 99], 99, "99", [2**63 - 1], list(range(2, 999))])
    async def test_versions_that_are_not_there_change_nothing(
        self, path: str, versions: object
    ) -> None:
        mount = await mounted({"n": 1})
        before = mount.store.rows.copy()
        await mount.write(f"{path}/app", versions=versions)

        assert mount.store.rows == before

    @pytest.mark.parametrize("path", ["delete", "undelete", "destroy"])
    async def test_a_secret_that_is_not_there_is_no_error(self, path: str) -> None:
        assert await Mount(VersionedKv()).write(f"{path}/none", versions=[1]) == {}

    async def test_deleting_nothing_is_no_error(self) -> None:
        assert await Mount(VersionedKv()).delete("data/none") == {}

    @pytest.mark.parametrize(
        ("operation", "path"),
        [
            (Operation.READ, "delete/app"),
            (Operation.LIST, "data/app"),
            (Operation.SCAN, "data/app"),
            (Operation.READ, "detailed-metadata/app"),
            (Operation.WRITE, "subkeys/app"),
            (Operation.PATCH, "config"),
            (Operation.DELETE, "config"),
        ],
    )
    async def test_what_a_path_cannot_do_is_said(self, operation: Operation, path: str) -> None:
        with pytest.raises(UnsupportedError):
            await (await mounted({})).send(operation, path)


class TestExpiry:
    async def test_a_version_is_deleted_when_its_time_has_come(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("config", delete_version_after="1h")
        await mount.write("data/app", data={"n": 1})
        mount.at += 3_599
        assert (await read(mount))["metadata"]["deletion_time"] == "2026-01-01T01:00:00Z"
        mount.at += 1

        with pytest.raises(NotFoundError) as caught:
            await mount.read("data/app")

        assert caught.value.data == {
            "data": None,
            "metadata": FACTS | {"deletion_time": "2026-01-01T01:00:00Z"},
        }

    async def test_an_undeleted_version_expires_anew(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("metadata/app", delete_version_after="1h")
        await mount.write("data/app", data={"n": 1})
        mount.at += 7_200
        await mount.write("undelete/app", versions=[1])

        assert (await read(mount))["metadata"]["deletion_time"] == "2026-01-01T03:00:00Z"

    async def test_deletion_does_not_wait_for_expiry(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("config", delete_version_after="1h")
        await mount.write("data/app", data={"n": 1})
        await mount.delete("data/app")

        with pytest.raises(NotFoundError):
            await mount.read("data/app")


class TestEvidence:
    async def test_reads_and_writes_say_version_and_fingerprint(self) -> None:
        mount = await mounted({"b": 1, "a": 2})
        one = Touched(1, fingerprint(b'{"a":2,"b":1}'))
        assert mount.reply.touched == one

        await mount.write("data/app", data={"c": 3})
        assert mount.reply.touched == Touched(2, fingerprint(b'{"c":3}'))
        await mount.read("data/app")
        assert mount.reply.touched == Touched(2, fingerprint(b'{"c":3}'))
        await mount.read("data/app", version=1)
        assert mount.reply.touched == one

    async def test_one_value_has_one_fingerprint_however_it_is_written(self) -> None:
        mount = Mount(VersionedKv())
        await mount.send(Operation.WRITE, "data/a", body=b'{"data": {"x": "\\u00e9", "y": 1}}')
        await mount.send(Operation.WRITE, "data/b", body='{"data":{"y":1,"x":"é"}}'.encode())

        rows = mount.store.rows
        assert rows["current/a"].fingerprint == rows["current/b"].fingerprint

    async def test_what_holds_nothing_has_no_fingerprint(self) -> None:
        mount = await mounted({})

        assert mount.store.rows["current/app"].fingerprint is None

    @pytest.mark.parametrize(
        "between",
        [
            pytest.param([], id="at once"),
            pytest.param([("metadata/app", {"cas_required": False})], id="after new metadata"),
            pytest.param(
                [("delete/app", {"versions": [1]}), ("undelete/app", {"versions": [1]})],
                id="after coming and going",
            ),
        ],
    )
    async def test_a_version_keeps_the_entry_and_fingerprint_that_made_it(
        self, between: list[tuple[str, dict[str, Any]]]
    ) -> None:
        mount = await mounted()
        await mount.write("data/other", data={})
        await mount.write("data/app", data={"n": 1})
        for path, fields in between:
            await mount.write(path, **fields)
        await mount.write("data/app", data={"n": 2})
        made = mount.store.entry
        await mount.write("metadata/app", max_versions=5)

        current = mount.store.rows["current/app"]
        versions = current.value.versions  # type: ignore[attr-defined]
        assert [version.made for version in versions] == [1, made]
        assert current.fingerprint == fingerprint(b'{"n":2}')
        assert mount.store.rows["version/app/0000000001"].fingerprint == fingerprint(b'{"n":1}')

    async def test_a_destroyed_version_keeps_its_entry_but_no_fingerprint(self) -> None:
        mount = await mounted({"n": 1})
        await mount.write("destroy/app", versions=[1])

        current = mount.store.rows["current/app"]
        assert [v.made for v in current.value.versions] == [0]  # type: ignore[attr-defined]
        assert current.fingerprint is None

    async def test_one_deleted_version_is_named_in_the_entry(self) -> None:
        mount = await mounted({"n": 1}, {"n": 2})

        await mount.delete("data/app")
        assert mount.reply.touched == Touched(2, fingerprint(b'{"n":2}'))
        await mount.write("delete/app", versions=[1])
        assert mount.reply.touched == Touched(1)
        await mount.write("destroy/app", versions=[1, 2])
        assert mount.reply.touched is None

    def test_every_operation_has_its_event(self) -> None:
        events = {
            f"{operation} {route.path}": endpoint.event
            for route in VersionedKv().routes()
            for operation in ("read", "list", "scan", "write", "patch", "delete")
            if (endpoint := getattr(route, operation))
        }

        assert events["read data/{path...}"] == "secret.read"
        assert events["write undelete/{path...}"] == "secret.undelete"
        assert events["write destroy/{path...}"] == "secret.destroy"
        assert events["patch metadata/{path...}"] == "secret.metadata.write"
        assert all(event.startswith("secret.") for event in events.values())


class TestCreateOrUpdate:
    @pytest.mark.parametrize("path", ["data/app", "metadata/app"])
    async def test_a_secret_that_is_not_there_is_created(self, path: str) -> None:
        assert not await Mount(VersionedKv()).exists(path, data={})

    @pytest.mark.parametrize("path", ["data/app", "metadata/app"])
    async def test_a_deleted_secret_is_updated(self, path: str) -> None:
        mount = await mounted({})
        await mount.delete("data/app")

        assert await mount.exists(path, data={})

    @pytest.mark.parametrize("path", ["data/app", "metadata/app"])
    async def test_metadata_alone_is_a_secret_to_update(self, path: str) -> None:
        mount = Mount(VersionedKv())
        await mount.write("metadata/app", max_versions=1)

        assert await mount.exists(path, data={})

    async def test_versions_are_only_ever_updated(self) -> None:
        assert await Mount(VersionedKv()).exists("delete/app", versions=[1])


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _stored(mount: Mount) -> bytes:
    return b"".join(row.data for row in mount.store.rows.values())
