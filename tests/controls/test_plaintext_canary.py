"""T03, with places that hold what they should not: `strongroom.controls.plaintext_canary`."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.controls.plaintext_canary import CONTROL, forms
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.probes import WriteRoute
from tests.controls.histories import FakeLog, FakePlaces, FakeProbe, found, items

MARK = b"canary-0000000000000000"
CLEAN = {"db": b"... control-t03/ ..."}  # the name of the mount is there on purpose
ROUTES = (WriteRoute(operation="write", path="secret/data/x", fields=("value",)),)


def probe(**parts: object) -> FakeProbe:
    return FakeProbe(FakeLog(), routes=ROUTES, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        pytest.param(FakePlaces(CLEAN), Verdict.EFFECTIVE, id="nowhere"),
        pytest.param(FakePlaces(CLEAN | {"wal": b"x" + MARK}), Verdict.EXCEPTIONS, id="raw"),
        pytest.param(
            FakePlaces(CLEAN | {"wal": MARK.hex().encode()}), Verdict.EXCEPTIONS, id="hexadecimal"
        ),
        pytest.param(
            FakePlaces(CLEAN | {"wal": b64encode(b"ab" + MARK + b"-and more")}),
            Verdict.EXCEPTIONS,
            id="base64 at an offset",
        ),
        pytest.param(
            FakePlaces(CLEAN, locked=["server.log"]), Verdict.INCONCLUSIVE, id="a place is closed"
        ),
        pytest.param(FakePlaces({"db": b""}), Verdict.INCONCLUSIVE, id="the search finds nothing"),
    ],
)
async def test_verdict(places: FakePlaces, expected: Verdict) -> None:
    assert await found(CONTROL, probe=probe(), places=places) is expected


async def test_a_refusal_that_repeats_the_value_is_an_exception() -> None:
    broken = [
        item
        for item in await items(CONTROL, probe=probe(echo=True), places=FakePlaces(CLEAN))
        if item.held is False
    ]

    assert [item.subject for item in broken] == ["answers"]


async def test_without_a_write_that_was_taken_nothing_is_shown() -> None:
    nothing = probe(accept_on="nowhere")

    assert await found(CONTROL, probe=nothing, places=FakePlaces(CLEAN)) is Verdict.INCONCLUSIVE


async def test_every_way_to_write_is_tried_with_a_value_of_its_own() -> None:
    tried = probe()

    await items(CONTROL, probe=tried, places=FakePlaces(CLEAN))
    bodies = [body for _, path, body in tried.asked if path == "secret/data/x"]

    assert bodies
    assert all(body is not None and MARK in body for body in bodies)


@given(
    secret=st.binary(min_size=12, max_size=40),
    before=st.binary(max_size=9),
    after=st.binary(max_size=9),
)
def test_base64_of_anything_around_a_value_holds_one_of_its_forms(
    secret: bytes, before: bytes, after: bytes
) -> None:
    encoded = b64encode(before + secret + after)

    assert any(form in encoded for form in forms(secret))
