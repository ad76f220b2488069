"""KV version 2 as a caller meets it: the mount's rules, metadata, subkeys, lists and scans."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.router import Operation
from strongroom.engines.kv.versioned import VersionedKv
from strongroom.testing.mount import Mount, shown

FIRST = "2026-01-01T00:00:00Z"
UNTOUCHED = {
    "cas_required": False,
    "created_time": FIRST,
    "current_metadata_version": 0,
    "current_version": 1,
    "custom_metadata": None,
    "delete_version_after": "0s",
    "max_versions": 0,
    "metadata_cas_required": False,
    "oldest_version": 0,
    "updated_time": FIRST,
    "versions": {"1": {"created_time": FIRST, "deletion_time": "", "destroyed": False}},
}
NO_RULES = {
    "cas_required": False,
    "delete_version_after": "0s",
    "max_versions": 0,
    "metadata_cas_required": False,
}


async def mounted(*paths: str) -> Mount:
    """Return a mount with a secret at each path."""
    mount = Mount(VersionedKv())
    for path in paths:
        await mount.write(f"data/{path}", data={"n": 1})
    return mount


async def metadata(mount: Mount, path: str = "app") -> Any:
    return shown(await mount.read(f"metadata/{path}"))


class TestConfig:
    async def test_a_new_mount_has_no_rules(self) -> None:
        assert await Mount(VersionedKv()).read("config") == NO_RULES

    async def test_only_what_was_sent_is_changed(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("config", max_versions=3, cas_required=True)
        await mount.write("config", delete_version_after="90m")
        await mount.write("config")

        assert await mount.read("config") == {
            "cas_required": True,
            "delete_version_after": "1h30m0s",
            "max_versions": 3,
            "metadata_cas_required": False,
        }

    async def test_null_sets_back(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("config", max_versions=3, cas_required=True, delete_version_after="1h")
        await mount.write("config", max_versions=None, cas_required=None, delete_version_after=None)

        assert await mount.read("config") == NO_RULES

    @pytest.mark.parametrize("negative", ["-1s", "-5h", -1])
    async def test_a_negative_life_switches_expiry_off(self, negative: object) -> None:
        mount = Mount(VersionedKv())
        await mount.write("config", delete_version_after=negative)
        await mount.write("metadata/app", delete_version_after="1h")

        assert (await mount.read("config"))["delete_version_after"] == "-1s"
        assert (await mount.write("data/app", data={}))["deletion_time"] == ""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("max_versions", -1),
            ("max_versions", 2**32),
            ("max_versions", 10**30),
            ("max_versions", "x"),
            ("cas_required", "maybe"),
            ("delete_version_after", "soon"),
            ("delete_version_after", 10**18),
        ],
    )
    @pytest.mark.parametrize("path", ["config", "metadata/app"])
    async def test_a_wrong_rule_changes_nothing(self, path: str, field: str, value: object) -> None:
        mount = Mount(VersionedKv())
        body = f'{{"{field}":{value if isinstance(value, int) else repr(value)}}}'

        with pytest.raises(InputError, match=field):
            await mount.send(Operation.WRITE, path, body=body.replace("'", '"').encode())

        assert mount.store.records == {}


class TestMetadata:
    async def test_metadata_tells_all_but_the_data(self) -> None:
        assert await metadata(await mounted("app")) == UNTOUCHED

    async def test_versions_are_told_by_number(self) -> None:
        mount = await mounted("app", "app", "app")
        mount.at += 60
        await mount.delete("data/app")
        await mount.write("destroy/app", versions=[1])

        told = await metadata(mount)

        assert told["updated_time"] == FIRST
        assert told["current_version"] == 3
        assert told["versions"] == {
            "1": {"created_time": FIRST, "deletion_time": "", "destroyed": True},
            "2": {"created_time": FIRST, "deletion_time": "", "destroyed": False},
            "3": {
                "created_time": FIRST,
                "deletion_time": "2026-01-01T00:01:00Z",
                "destroyed": False,
            },
        }

    async def test_only_what_was_sent_is_changed(self) -> None:
        mount = await mounted("app")
        await mount.write("metadata/app", max_versions=2, custom_metadata={"team": "a"})
        mount.at += 1
        await mount.write("metadata/app", delete_version_after="3h")

        assert await metadata(mount) == UNTOUCHED | {
            "current_metadata_version": 2,
            "custom_metadata": {"team": "a"},
            "delete_version_after": "3h0m0s",
            "max_versions": 2,
            "updated_time": "2026-01-01T00:00:01Z",
        }

    async def test_a_write_that_says_nothing_makes_nothing(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("metadata/app")

        with pytest.raises(NotFoundError):
            await mount.read("metadata/app")

    async def test_metadata_can_come_before_data(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("metadata/app", max_versions=None)

        assert await metadata(mount) == UNTOUCHED | {
            "current_metadata_version": 1,
            "current_version": 0,
            "versions": {},
        }
        with pytest.raises(NotFoundError):
            await mount.read("data/app")
        with pytest.raises(NotFoundError):
            await mount.patch("data/app", data={})
        assert (await mount.write("data/app", data={}, options={"cas": 0}))["version"] == 1

    async def test_a_smaller_limit_holds_from_the_next_write_on(self) -> None:
        mount = await mounted("app", "app", "app")
        await mount.write("metadata/app", max_versions=1)
        assert set((await metadata(mount))["versions"]) == {"1", "2", "3"}
        await mount.write("data/app", data={})

        told = await metadata(mount)

        assert (set(told["versions"]), told["oldest_version"]) == ({"4"}, 4)
        assert list(mount.store.records) == ["current/app"]

    async def test_deleting_metadata_removes_every_row(self) -> None:
        mount = await mounted("app", "app", "app", "app/b")
        await mount.delete("metadata/app")

        assert list(mount.store.records) == ["current/app/b"]

    async def test_deleting_nothing_is_no_error(self) -> None:
        assert await Mount(VersionedKv()).delete("metadata/app") == {}

    @pytest.mark.parametrize("path", ["metadata/none", "metadata/app/", "metadata/"])
    async def test_nothing_is_found_at_any_other_path(self, path: str) -> None:
        with pytest.raises(NotFoundError):
            await (await mounted("app")).read(path)


class TestPatching:
    async def test_custom_metadata_is_merged(self) -> None:
        mount = await mounted("app")
        await mount.write("metadata/app", custom_metadata={"a": "1", "b": "2"})
        await mount.patch("metadata/app", custom_metadata={"a": None, "c": "3"})

        assert (await metadata(mount))["custom_metadata"] == {"b": "2", "c": "3"}

    @pytest.mark.parametrize("patch", [{"a": None}, None])
    async def test_custom_metadata_can_be_emptied(self, patch: object) -> None:
        mount = await mounted("app")
        await mount.write("metadata/app", custom_metadata={"a": "1"}, max_versions=3)
        await mount.patch("metadata/app", custom_metadata=patch)

        told = await metadata(mount)

        assert (told["custom_metadata"], told["max_versions"]) == (None, 3)

    async def test_a_patch_that_says_nothing_changes_nothing(self) -> None:
        mount = await mounted("app")
        await mount.patch("metadata/app")

        assert await metadata(mount) == UNTOUCHED

    async def test_a_patch_of_nothing_is_not_found(self) -> None:
        with pytest.raises(NotFoundError):
            await Mount(VersionedKv()).patch("metadata/app", max_versions=3)

    async def test_a_patch_of_nothing_that_says_nothing_is_taken_and_makes_nothing(self) -> None:
        mount = Mount(VersionedKv())

        await mount.patch("metadata/app")

        with pytest.raises(NotFoundError):
            await mount.read("metadata/app")

    async def test_a_patch_of_nothing_that_cannot_be_written_says_so(self) -> None:
        with pytest.raises(InputError):
            await Mount(VersionedKv()).patch("metadata/app", custom_metadata={"a": {"b": "c"}})


class TestMetadataCheckAndSet:
    async def test_the_present_version_may_be_changed(self) -> None:
        mount = await mounted()
        await mount.write("metadata/app", max_versions=3, metadata_cas=0)
        await mount.patch("metadata/app", max_versions=4, metadata_cas=1)

        assert (await metadata(mount))["current_metadata_version"] == 2

    @pytest.mark.parametrize("operation", ["write", "patch"])
    @pytest.mark.parametrize("cas", [0, 2, -1, None])
    async def test_any_other_version_is_refused(self, operation: str, cas: object) -> None:
        mount = await mounted()
        await mount.write("metadata/app", max_versions=3)

        with pytest.raises(
            InputError, match="metadata check-and-set parameter does not match the current version"
        ):
            await getattr(mount, operation)("metadata/app", max_versions=4, metadata_cas=cas)

    async def test_a_secret_that_is_not_there_has_version_0(self) -> None:
        with pytest.raises(InputError, match="metadata_cas must be 0 when creating new metadata"):
            await Mount(VersionedKv()).write("metadata/app", max_versions=4, metadata_cas=1)

    @pytest.mark.parametrize("where", ["config", "metadata/app"])
    async def test_it_can_be_required(self, where: str) -> None:
        mount = await mounted("app")
        await mount.write(where, metadata_cas_required=True)

        with pytest.raises(
            InputError, match="metadata check-and-set parameter required for this call"
        ):
            await mount.write("metadata/app", max_versions=4)


class TestCustomMetadata:
    @pytest.mark.parametrize(
        "custom",
        [
            {f"k{n}": "v" for n in range(64)},
            {"k" * 128: "v" * 512},
            {"é" * 64: "é" * 256},
            {"a key": "a value"},
        ],
    )
    async def test_up_to_its_limits_is_kept(self, custom: dict[str, str]) -> None:
        mount = await mounted("app")
        await mount.write("metadata/app", custom_metadata=custom)

        assert (await metadata(mount))["custom_metadata"] == custom
        assert shown(await mount.read("data/app"))["metadata"]["custom_metadata"] == custom

    @pytest.mark.parametrize(
        ("custom", "problem"),
        [
            ({f"k{n}": "v" for n in range(65)}, "at most 64 keys, provided 65"),
            ({"k" * 129: "v"}, r"length of key .* is 129 but must be 0 < len\(key\) <= 128"),
            ({"é" * 65: "v"}, "is 130 but must be"),
            ({"k": "v" * 513}, r"is 513 but must be 0 < len\(value\) <= 512"),
            ({"": "v"}, 'length of key "" is 0'),
            ({"k": ""}, 'value for key "k" is 0'),
            ({"k": None}, 'value for key "k" is 0'),
            ({"k\x01": "v"}, r"key 'k\\x01' contains unprintable characters"),
            ({"k": "\x7f"}, 'value for key "k" contains unprintable characters'),
            ({"k": "a\tb"}, 'value for key "k" contains unprintable characters'),
            ({"k": {"a": "b"}}, 'value for key "k" is not text'),
            ({"k": ["b"]}, 'value for key "k" is not text'),
            ({"": "", "k" * 200: ""}, "is 0 but .*; .* is 200 but"),
        ],
    )
    @pytest.mark.parametrize("operation", ["write"])
    async def test_beyond_its_limits_is_refused(
        self, operation: str, custom: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(InputError, match=problem):
            await getattr(await mounted("app"), operation)("metadata/app", custom_metadata=custom)

    async def test_a_patch_cannot_grow_beyond_the_limits(self) -> None:
        mount = await mounted("app")
        await mount.write("metadata/app", custom_metadata={f"k{n}": "v" for n in range(64)})

        with pytest.raises(InputError, match="at most 64 keys"):
            await mount.patch("metadata/app", custom_metadata={"one": "more"})

    @pytest.mark.parametrize("custom", ["x", 5, [1], True])
    async def test_what_is_no_object_is_refused(self, custom: object) -> None:
        with pytest.raises(InputError, match="custom_metadata"):
            await (await mounted("app")).write("metadata/app", custom_metadata=custom)

    async def test_numbers_and_flags_become_text(self) -> None:
        mount = await mounted("app")
        await mount.write("metadata/app", custom_metadata={"n": 1, "t": True, "f": 1.5})

        assert (await metadata(mount))["custom_metadata"] == {"n": "1", "t": "1", "f": "1.5"}


class TestSubkeys:
    async def test_names_are_shown_and_values_are_not(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("data/app", data={"a": "hush", "b": {"c": ["hush"], "d": {}}})

        told = await mount.read("subkeys/app")

        assert told["subkeys"] == {"a": None, "b": {"c": None, "d": None}}
        assert told["metadata"] == shown(await mount.read("data/app"))["metadata"]

    async def test_depth_and_version_can_be_chosen(self) -> None:
        mount = Mount(VersionedKv())
        await mount.write("data/app", data={"b": {"c": 1}})
        await mount.write("data/app", data={"z": 1})

        told = await mount.read("subkeys/app", version=1, depth=1)

        assert (told["subkeys"], told["metadata"]["version"]) == ({"b": None}, 1)

    @pytest.mark.parametrize("depth", ["x", "1.5", str(2**64)])
    async def test_a_depth_that_is_no_number_is_the_callers_error(self, depth: str) -> None:
        with pytest.raises(InputError, match="depth"):
            await (await mounted("app")).read("subkeys/app", depth=depth)

    async def test_a_deleted_version_is_not_found_but_described(self) -> None:
        mount = await mounted("app")
        await mount.delete("data/app")

        with pytest.raises(NotFoundError) as caught:
            await mount.read("subkeys/app")

        assert isinstance(caught.value.data, dict)
        assert caught.value.data["subkeys"] is None


class TestLists:
    PATHS = ("a", "b", "b/c", "b/d/e", "b-", "B", "é", "b0")

    @pytest.mark.parametrize("path", ["metadata", "metadata/"])
    async def test_names_are_in_byte_order(self, path: str) -> None:
        mount = await mounted(*self.PATHS)

        assert await mount.list(path) == {"keys": ["B", "a", "b", "b-", "b/", "b0", "é"]}

    @pytest.mark.parametrize("path", ["metadata/b", "metadata/b/"])
    async def test_a_folder_lists_what_is_in_it(self, path: str) -> None:
        assert await (await mounted(*self.PATHS)).list(path) == {"keys": ["c", "d/"]}

    @pytest.mark.parametrize(
        ("after", "limit", "keys"),
        [
            ("", 2, ["B", "a"]),
            ("a", 2, ["b", "b-"]),
            ("b", 0, ["b-", "b/", "b0", "é"]),
            ("b/", -1, ["b0", "é"]),
            ("aaa", 1, ["b"]),
            ("b0", 2**63 - 1, ["é"]),
        ],
    )
    async def test_a_list_can_be_read_in_pages(
        self, after: str, limit: int, keys: list[str]
    ) -> None:
        mount = await mounted(*self.PATHS)

        assert await mount.list("metadata", after=after, limit=limit) == {"keys": keys}

    @pytest.mark.parametrize("path", ["metadata/none", "detailed-metadata/none", "metadata/a"])
    async def test_an_empty_list_is_not_found(self, path: str) -> None:
        with pytest.raises(NotFoundError):
            await (await mounted(*self.PATHS)).list(path)

    async def test_a_list_after_the_last_name_is_not_found(self) -> None:
        with pytest.raises(NotFoundError):
            await (await mounted(*self.PATHS)).list("metadata", after="é")

    async def test_a_detailed_list_has_each_secrets_metadata(self) -> None:
        mount = await mounted(*self.PATHS)

        told = shown(await mount.list("detailed-metadata/b", limit=5))

        assert told == {"keys": ["c", "d/"], "key_info": {"c": UNTOUCHED}}

    @pytest.mark.parametrize("version_rows", [1, 3])
    async def test_versions_are_never_listed(self, version_rows: int) -> None:
        mount = await mounted(*["app"] * version_rows)

        assert await mount.list("metadata") == {"keys": ["app"]}


class TestScans:
    async def test_a_scan_gives_paths_at_every_depth(self) -> None:
        mount = await mounted("a", "b/c", "b/d/e", "b")

        assert await mount.scan("metadata") == {"keys": ["a", "b", "b/c", "b/d/e"]}
        assert await mount.scan("metadata/b/") == {"keys": ["c", "d/e"]}

    async def test_a_scan_can_be_read_in_pages(self) -> None:
        mount = await mounted("a", "b/c", "b/d/e", "b")

        assert await mount.scan("metadata", after="a", limit=2) == {"keys": ["b", "b/c"]}

    async def test_a_detailed_scan_has_each_secrets_metadata(self) -> None:
        mount = await mounted("b/c", "b/d/e")

        told = shown(await mount.scan("detailed-metadata/b"))

        assert told == {"keys": ["c", "d/e"], "key_info": {"c": UNTOUCHED, "d/e": UNTOUCHED}}

    @pytest.mark.parametrize("path", ["metadata/none", "detailed-metadata/none"])
    async def test_a_scan_of_nothing_is_empty(self, path: str) -> None:
        mount = Mount(VersionedKv())

        assert await mount.scan(path) == {}
        assert mount.reply.data == {}
