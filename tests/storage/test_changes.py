"""Which changes the fence lets a request pass."""

from __future__ import annotations

import pytest

from strongroom.storage.commit import REMEMBERED, Changes, Outcome, Request

MINE = frozenset({"token:aa", "entity:alice"})


def request(generation: int | None) -> Request:
    def unanswered(outcome: Outcome) -> None:
        raise AssertionError(outcome)

    return Request(done=unanswered, generation=generation, about=MINE)


def known(*topics: str, since: int = 10) -> Changes:
    changes = Changes()
    changes.start(since)
    changes.add([(since + 1 + n, topic) for n, topic in enumerate(topics)])
    return changes


@pytest.mark.parametrize(
    ("topics", "concerned"),
    [
        pytest.param(["token:bb", "entity:bob"], False, id="other people's"),
        pytest.param(["token:bb", "token:aa"], True, id="its own token"),
        pytest.param(["entity:alice", "token:bb"], True, id="its own entity"),
        pytest.param(["token:bb", "policy:app"], True, id="a policy"),
        pytest.param(["mounts"], True, id="the mounts"),
    ],
)
def test_only_what_concerns_a_request_sends_it_back(topics: list[str], concerned: bool) -> None:
    assert known(*topics).concern(request(10), []) is concerned


def test_what_changed_before_it_was_authorized_does_not_concern_it() -> None:
    assert known("policy:app", "token:bb").concern(request(11), []) is False


def test_changes_of_the_same_commit_count_too() -> None:
    changes = known("token:bb")

    assert changes.concern(request(11), [(12, "token:aa")]) is True
    assert changes.concern(request(11), [(12, "token:cc")]) is False


def test_what_is_no_longer_remembered_concerns_everybody() -> None:
    changes = known(*(f"token:{n}" for n in range(REMEMBERED + 5)))

    assert changes.concern(request(10), []) is True
    assert changes.concern(request(20), []) is False


def test_before_anything_is_known_everything_concerns() -> None:
    assert Changes().concern(request(3), []) is True


def test_after_a_doubtful_commit_everything_before_it_concerns() -> None:
    changes = known("token:bb")
    changes.forget(12)

    assert changes.concern(request(11), []) is True
    assert changes.concern(request(12), []) is False


def test_a_request_that_needs_no_fence_is_never_concerned() -> None:
    assert known("policy:app").concern(request(None), []) is False
