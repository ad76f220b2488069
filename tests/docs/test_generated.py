"""What the documents repeat of the code is what the code says."""

from __future__ import annotations

import pytest

from tests.docs.generated import PARTS, paragraph, standing

COMMAND = "run `python -m tests.docs.generated`"
ALL = [(document, name) for document, parts in PARTS.items() for name in parts]


@pytest.mark.parametrize(("document", "name"), ALL, ids=[name for _, name in ALL])
def test_a_collected_part_is_as_the_code_says(document: str, name: str) -> None:
    said = PARTS[document][name]().splitlines()
    stands = standing(document, name).splitlines()

    assert [line for line in said if line not in stands] == [], f"{document} lacks it; {COMMAND}"
    assert [line for line in stands if line not in said] == [], f"{document} is older; {COMMAND}"


def test_a_paragraph_ends_where_the_next_one_begins() -> None:
    docstring = "One line.\n\nSpecs  This.\nTrust  Nobody\n       at all.\nOrder  That."

    assert paragraph(docstring, "Trust") == "Nobody at all."


def test_a_module_that_says_nothing_of_trust_gives_nothing() -> None:
    assert paragraph("One line.\n\nTrusting nobody is a virtue.", "Trust") == ""
