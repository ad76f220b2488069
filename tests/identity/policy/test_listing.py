"""The template that says where to look whether a key of a list may be seen."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.identity.policy.listing import keys_filter

PIECES = ["{{", "}}", " .path ", ".key", "|", "replace", '"a"', '"\\q"', "x", " ", "-"]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{{ .path }}{{ .key }}", "kv/metadata/a"),
        ("{{.path}}{{.key}}", "kv/metadata/a"),
        ("kv/data/{{ .key }}", "kv/data/a"),
        ('{{ .path | replace "metadata/" "data/" }}{{ .key }}', "kv/data/a"),
        ('{{ .path | replace "kv" "x" | replace "x" "y" }}{{ .key }}', "y/metadata/a"),
        ('{{ .key | replace "a" "\\"b" }}', '"b'),
    ],
)
def test_a_template_gives_a_path(template: str, path: str) -> None:
    assert keys_filter(template).path_of("kv/metadata/", "a") == path


@pytest.mark.parametrize(
    "template",
    ["kv", "{{ .path }}", "{{ .key | upper }}", "{{ .name }}{{ .key }}", "{{ .key", "}}{{ .key }}"],
)
def test_a_template_that_is_not_ours_or_tells_no_keys_apart_is_refused(template: str) -> None:
    with pytest.raises(InputError):
        keys_filter(template)


@given(template=st.lists(st.sampled_from(PIECES)).map("".join))
def test_no_template_raises_anything_else(template: str) -> None:
    with suppress(InputError):
        keys_filter(template)
