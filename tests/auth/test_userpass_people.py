"""Passwords of people: what is refused at a mount with the option `people`, and what is not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.auth.userpass.method import Userpass
from strongroom.auth.userpass.strength import BreachedFile
from strongroom.base.errors import InputError, UnavailableError
from strongroom.base.secret import Secret
from strongroom.testing.mount import Mount

GOOD = "marmalade-Tuesday-orbit"


def people(breached: BreachedFile | None = None, option: str = "true") -> Mount:
    return Mount(Userpass(breached), options={"people": option})


def listed(folder: Path, *passwords: str) -> BreachedFile:
    digests = [hashlib.sha1(p.encode()).hexdigest().upper() for p in passwords]
    path = folder / "breached"
    path.write_text("".join(f"{digest}:{at}\n" for at, digest in enumerate(sorted(digests))))
    return BreachedFile(path)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "elevenchars",
        "password1234",
        "qwertyuiop123",
        "aaaaaaaaaaaaaaaaaaaa",
        "ada.lovelace1",
        "12345678901234567890",
        "a1b2" * 18,
    ],
)
async def test_what_is_easy_to_guess_is_refused(password: str) -> None:
    mount = people()

    with pytest.raises(InputError) as refused:
        await mount.write("users/ada.lovelace", password=password)

    assert refused.value.logged == "password: too easy to guess"
    assert password not in str(refused.value)


async def test_a_hard_one_is_taken_and_marks_a_person() -> None:
    mount = people()
    await mount.write("users/ada", password=GOOD)

    proof = await mount.login(username="ada", password=GOOD)

    assert proof.alias_metadata == {"person": "true"}


async def test_a_change_is_judged_too() -> None:
    mount = people()
    await mount.write("users/ada", password=GOOD)

    with pytest.raises(InputError):
        await mount.write("users/ada/password", password="short")
    with pytest.raises(InputError):
        await mount.write("users/ada", password="short")
    await mount.write("users/ada", policies="x")


@pytest.mark.parametrize("option", ["", "false"])
async def test_elsewhere_any_password_is_taken(option: str) -> None:
    mount = people(option=option)
    await mount.write("users/ada", password="x")

    assert (await mount.login(username="ada", password="x")).alias_metadata == {}


async def test_a_breached_one_is_refused(tmp_path: Path) -> None:
    mount = people(listed(tmp_path, GOOD, "other"))

    with pytest.raises(InputError, match="others have lost"):
        await mount.write("users/ada", password=GOOD)
    await mount.write("users/ada", password=f"{GOOD}-too")


async def test_without_the_list_that_was_named_nothing_is_taken(tmp_path: Path) -> None:
    mount = people(BreachedFile(tmp_path / "nowhere"))

    with pytest.raises(UnavailableError):
        await mount.write("users/ada", password=GOOD)


@given(st.sets(st.integers(0, 500), max_size=60))
@settings(max_examples=50)
def test_the_list_holds_what_is_in_it_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int]
) -> None:
    known = listed(tmp_path_factory.mktemp("list"), *map(str, numbers))

    found = {n for n in range(501) if known.holds(Secret(str(n)))}

    assert found == numbers


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n", b"x" * 10_000, b"\xff\n" * 500])
def test_a_file_of_something_else_holds_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)

    assert not BreachedFile(path).holds(Secret(GOOD))
