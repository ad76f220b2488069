"""KV version 2 against a model that is too simple to be wrong, over any history of requests."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.engines.kv.patch import merged
from strongroom.engines.kv.versioned import VersionedKv
from strongroom.testing.mount import Mount, shown

PATHS = ("a", "a/b", "a/0000000001", "version/a", "current/a", "é")
PATH = st.sampled_from(PATHS)
DATA = st.dictionaries(
    st.sampled_from("xyz"), st.none() | st.integers(0, 9) | st.just({"x": 1}), max_size=3
)
NUMBERS = st.lists(st.integers(-1, 14), min_size=1, max_size=4)
LIMIT = st.integers(0, 4)
LIFE = st.integers(0, 3)


@dataclass
class Version:
    data: Any
    created: float
    deleted: float | None = None
    destroyed: bool = False


@dataclass
class Secret:
    versions: dict[int, Version] = field(default_factory=dict)
    limit: int = 0
    life: int = 0
    revision: int = 0

    @property
    def number(self) -> int:
        return max(self.versions, default=0)


def served(request: Coroutine[Any, Any, Any]) -> Any:
    """Run a request to its end; in memory it never waits for anything."""
    try:
        request.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


def refused(request: Coroutine[Any, Any, Any], error: type[Exception]) -> Any:
    """Run a request that must fail, and return its error."""
    try:
        served(request)
    except error as caught:
        return caught
    raise AssertionError("it was served")


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.mount = Mount(VersionedKv())
        self.model: dict[str, Secret] = {}
        self.limit = 0
        self.life = 0

    def ends(self, secret: Secret) -> float | None:
        if self.life < 0:
            return None
        lives = [life for life in (self.life, secret.life) if life]
        return self.mount.at + min(lives) if lives else None

    def readable(self, version: Version) -> bool:
        past = version.deleted is not None and version.deleted <= self.mount.at
        return not version.destroyed and not past

    def add(self, path: str, data: Any) -> None:
        secret = self.model.setdefault(path, Secret())
        new = secret.number + 1
        secret.versions[new] = Version(data, self.mount.at, self.ends(secret))
        keep = max(self.limit, secret.limit) or 10
        for number in [n for n in secret.versions if n <= new - keep]:
            del secret.versions[number]

    # -- what may happen -----------------------------------------------------------------------

    @rule(seconds=st.integers(1, 3))
    def time_passes(self, seconds: int) -> None:
        self.mount.at += seconds

    @rule(limit=LIMIT, life=st.integers(-1, 3))
    def the_mount_is_configured(self, limit: int, life: int) -> None:
        served(self.mount.write("config", max_versions=limit, delete_version_after=life))
        self.limit, self.life = limit, life

    @rule(path=PATH, data=DATA)
    def a_version_is_written(self, path: str, data: dict[str, Any]) -> None:
        reply = served(self.mount.write(f"data/{path}", data=data))
        self.add(path, data)

        assert reply["version"] == self.model[path].number

    @rule(path=PATH, data=DATA, cas=st.integers(0, 4))
    def a_version_is_written_over_another(self, path: str, data: dict[str, Any], cas: int) -> None:
        write = self.mount.write(f"data/{path}", data=data, options={"cas": cas})
        if cas == self.model.get(path, Secret()).number:
            served(write)
            self.add(path, data)
        else:
            refused(write, InputError)

    @rule(path=PATH, data=DATA)
    def the_newest_version_is_patched(self, path: str, data: dict[str, Any]) -> None:
        secret = self.model.get(path, Secret())
        patch = self.mount.patch(f"data/{path}", data=data)
        newest = secret.versions.get(secret.number)
        if newest is None or not self.readable(newest):
            refused(patch, NotFoundError)
        else:
            served(patch)
            self.add(path, merged(newest.data, data))

    @rule(path=PATH)
    def the_newest_version_is_deleted(self, path: str) -> None:
        served(self.mount.delete(f"data/{path}"))
        secret = self.model.get(path, Secret())
        self.delete(secret, [secret.number])

    @rule(path=PATH, numbers=NUMBERS)
    def versions_are_deleted(self, path: str, numbers: list[int]) -> None:
        served(self.mount.write(f"delete/{path}", versions=numbers))
        self.delete(self.model.get(path, Secret()), numbers)

    def delete(self, secret: Secret, numbers: list[int]) -> None:
        for number, version in secret.versions.items():
            if number in numbers and self.readable(version):
                version.deleted = self.mount.at

    @rule(path=PATH, numbers=NUMBERS)
    def versions_are_undeleted(self, path: str, numbers: list[int]) -> None:
        served(self.mount.write(f"undelete/{path}", versions=numbers))
        secret = self.model.get(path, Secret())
        for number, version in secret.versions.items():
            if number in numbers and not version.destroyed:
                version.deleted = self.ends(secret)

    @rule(path=PATH, numbers=NUMBERS)
    def versions_are_destroyed(self, path: str, numbers: list[int]) -> None:
        served(self.mount.write(f"destroy/{path}", versions=numbers))
        for number, version in self.model.get(path, Secret()).versions.items():
            if number in numbers:
                version.destroyed = True

    @rule(path=PATH, limit=LIMIT, life=LIFE)
    def a_secrets_rules_are_written(self, path: str, limit: int, life: int) -> None:
        served(self.mount.write(f"metadata/{path}", max_versions=limit, delete_version_after=life))
        secret = self.model.setdefault(path, Secret())
        secret.limit, secret.life = limit, life
        secret.revision += 1

    @rule(path=PATH)
    def a_secret_is_removed(self, path: str) -> None:
        served(self.mount.delete(f"metadata/{path}"))
        self.model.pop(path, None)

    # -- what must always hold -----------------------------------------------------------------

    @invariant()
    def every_version_reads_as_in_the_model(self) -> None:
        for path in PATHS:
            secret = self.model.get(path, Secret())
            for number in range(secret.number + 2):
                version = secret.versions.get(number or secret.number)
                read = self.mount.read(f"data/{path}", version=number)
                if version is None:
                    assert refused(read, NotFoundError).data is None
                elif self.readable(version):
                    assert shown(served(read))["data"] == version.data
                else:
                    assert refused(read, NotFoundError).data["data"] is None

    @invariant()
    def metadata_tells_what_the_model_knows(self) -> None:
        for path in PATHS:
            read = self.mount.read(f"metadata/{path}")
            if path not in self.model:
                refused(read, NotFoundError)
                continue
            told, secret = shown(served(read)), self.model[path]
            assert told["current_version"] == secret.number
            assert told["current_metadata_version"] == secret.revision
            assert told["versions"] == {
                str(number): {
                    "created_time": moment(version.created),
                    "deletion_time": "" if version.deleted is None else moment(version.deleted),
                    "destroyed": version.destroyed,
                }
                for number, version in secret.versions.items()
            }

    @invariant()
    def a_scan_gives_every_secret(self) -> None:
        told = served(self.mount.scan("metadata"))

        assert told.get("keys", []) == sorted(self.model)

    @invariant()
    def there_is_a_row_for_each_secret_and_each_older_version_with_data(self) -> None:
        expected = {f"current/{path}" for path in self.model}
        for path, secret in self.model.items():
            expected |= {
                f"version/{path}/{number:010d}"
                for number, version in secret.versions.items()
                if number != secret.number and not version.destroyed
            }

        assert set(self.mount.store.records) - {"config"} == expected

    @precondition(lambda self: self.model)
    @invariant()
    def every_version_with_data_knows_the_entry_that_made_it(self) -> None:
        for path, secret in self.model.items():
            row = self.mount.store.rows[f"current/{path}"]
            made = [v.made for v in row.value.versions]  # type: ignore[attr-defined]
            assert None not in made[:-1]
            assert made[:-1] == sorted(set(made[:-1]))
            assert len(made) == len(secret.versions)


def moment(at: float) -> str:
    return rfc3339(datetime.fromtimestamp(at, UTC))


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
