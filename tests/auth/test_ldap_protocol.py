"""The codec, the filters and the names of the ldap method, beside another implementation's."""

from __future__ import annotations

import string
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.auth.ldap import ber
from strongroom.auth.ldap.ber import OCTETS, MalformedError, Reader
from strongroom.auth.ldap.filters import parse_filter
from strongroom.auth.ldap.names import common_name, escaped, is_plain
from strongroom.auth.ldap.records import GROUP_FILTER, USER_FILTER
from strongroom.base.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 uses old names of pyasn1's
    from ldap3.operation.search import search_operation
    from ldap3.utils.asn1 import encode
    from ldap3.utils.dn import parse_dn

USER = frozenset({"UserAttr", "Username"})
GROUP = frozenset({"UserDN", "Username"})
NAMES = st.text(min_size=1, max_size=40) | st.sampled_from(
    [
        "*",
        ")(uid=*",
        "*)(|(uid=*",
        "a)(objectClass=*",
        "\\2a",
        "\\",
        "\0",
        "a,b=c",
        "é*",
        "{{.Username}}",
    ]
)


def their_filter(text: str) -> bytes:
    """Return what ldap3 makes of a filter."""
    request: Any = search_operation("", text, 2, 0, ["cn"], 0, 0, False, False, False)
    data: bytes = encode(request["filter"])
    return data


def leaves(data: bytes) -> list[tuple[int, bytes]]:
    """Return the comparisons of a filter as sent: tag and content."""
    reader = Reader(data)
    found: list[tuple[int, bytes]] = []
    while reader.tag is not None:
        tag = reader.tag
        inside = reader.skip()
        found += leaves(inside) if tag in (0xA0, 0xA1, 0xA2) else [(tag, inside)]
    return found


class TestBer:
    @given(st.binary(max_size=300), st.integers(-(2**31), 2**31 - 1), st.booleans())
    def test_what_was_written_is_read(self, data: bytes, number: int, truth: bool) -> None:
        whole = ber.element(ber.SEQUENCE, ber.element(OCTETS, data), ber.integer(number))

        reader = Reader(whole).inside(ber.SEQUENCE)

        assert ber.size_of(whole) == (_head(whole), len(whole) - _head(whole))
        assert reader.take(OCTETS) == data
        assert reader.number() == number
        assert reader.tag is None
        assert Reader(ber.boolean(truth)).take(ber.BOOLEAN) == (b"\xff" if truth else b"\0")

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_malformed(self, data: bytes) -> None:
        reader = Reader(data)
        try:
            while reader.tag is not None:
                reader.skip()
        except MalformedError:
            return

    @pytest.mark.parametrize(
        "data",
        [
            b"\x30\x80\x00\x00",
            b"\x30\x85\x00\x00\x00\x00\x00",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x1f\x81\x00",
            b"\x02",
            b"\x02\x00",
            b"\x02\x09" + b"\1" * 9,
        ],
        ids=["indefinite", "five", "beyond", "long tag", "cut", "no digits", "nine bytes"],
    )
    def test_what_ldap_does_not_have_is_malformed(self, data: bytes) -> None:
        with pytest.raises(MalformedError):
            Reader(data).number()


def _head(whole: bytes) -> int:
    return 2 + (whole[1] & 0x7F if whole[1] & 0x80 else 0)


class TestFilters:
    @pytest.mark.parametrize(
        "text",
        [
            "(uid=alice)",
            "(&(objectClass=person)(uid=alice))",
            "(|(uid=a)(!(mail=b)))",
            "(cn=*)",
            "(cn=a*)",
            "(cn=*a)",
            "(cn=a*b*c)",
            "(cn=*a*b*)",
            "(cn>=a)",
            "(cn<=a)",
            "(cn~=a)",
            "(cn=\\2a\\28\\29\\5c)",
            "(cn=gr\u00fc\u00dfe)",
            "(member:1.2.840.113556.1.4.1941:=cn=a,dc=b)",
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            "(cn:dn:2.4.6.8.10:=Dino)",
        ],
    )
    def test_a_filter_is_sent_as_another_implementation_sends_it(self, text: str) -> None:
        assert parse_filter(text, "userfilter", USER).filled({}) == their_filter(text)

    @given(NAMES)
    def test_whatever_the_name_one_comparison_with_just_that_name_is_sent(self, name: str) -> None:
        value = name.encode("utf-8", "surrogatepass")
        sent = parse_filter(USER_FILTER, "userfilter", USER).filled(
            {"UserAttr": b"uid", "Username": value}
        )

        assert leaves(sent) == [(0xA3, ber.element(OCTETS, b"uid") + ber.element(OCTETS, value))]

    @given(NAMES)
    def test_no_name_adds_a_comparison_to_a_filter_or_takes_one_away(self, name: str) -> None:
        text = "(&(objectClass=person)(!(ou=closed))(|(uid={{.Username}})(mail={{ .Username }}@x)))"
        sent = parse_filter(text, "userfilter", USER).filled(
            {"Username": name.encode("utf-8", "surrogatepass")}
        )

        kinds = [(tag, Reader(content).take(OCTETS)) for tag, content in leaves(sent)]
        assert kinds == [(0xA3, b"objectClass"), (0xA3, b"ou"), (0xA3, b"uid"), (0xA3, b"mail")]

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30))
    def test_what_is_filled_in_is_what_others_send_of_an_escaped_name(self, name: str) -> None:
        text = GROUP_FILTER.replace("{{.UserDN}}", "{{.Username}}")
        ours = parse_filter(text, "groupfilter", GROUP).filled({"Username": name.encode()})

        hexadecimal = "".join(f"\\{byte:02x}" for byte in name.encode())  # ldap3 strips spaces
        assert ours == their_filter(text.replace("{{.Username}}", hexadecimal))

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "uid=a",
            "(uid=a",
            "(uid=a))",
            "()",
            "(&)",
            "(!(a=b)(c=d))",
            "(uid=a)(uid=b)",
            "(uid=a(b)",
            "(uid=a\\zz)",
            "(uid=a\\2)",
            "(u d=a)",
            "({{.Username}}=a)",
            "({{.UserDN}}=a)",
            "(uid={{.UserAttr}})",
            "(uid={{.Password}})",
            "(uid={{printf .Username}})",
            "(uid={{.Username)",
            "(uid=**)",
            "(uid>=a*)",
            "(=a)",
            "(:=a)",
            "(uid:1.2.3=a)",
            "(uid=\0)",
            "(" * 40 + "uid=a" + ")" * 40,
            "(!" * 40 + "(uid=a)" + ")" * 40,
            "(uid=" + "a" * 5_000 + ")",
        ],
    )
    def test_a_filter_that_cannot_be_read_is_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="userfilter"):
            parse_filter(text, "userfilter", USER)

    @given(st.text("()&|!=*\\{}.:;<>~ a2UserNm", max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            parse_filter(text, "userfilter", USER).filled({"UserAttr": b"uid", "Username": b"x"})
        except InputError:
            return


class TestNames:
    @given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
    def test_an_escaped_value_is_one_value_of_one_name(self, value: str) -> None:
        name = f"uid={escaped(value)},ou=people,dc=test"

        parts = parse_dn(name)
        assert [part[0] for part in parts] == ["uid", "ou", "dc"]
        assert set(escaped(value)) <= set(string.ascii_letters + string.digits + "\\")
        assert common_name(f"cn={escaped(value)},dc=test") == value

    @pytest.mark.parametrize(
        ("name", "common"),
        [
            ("cn=Admins,ou=groups,dc=test", "Admins"),
            ("CN=Admins,OU=x", "Admins"),
            ("ou=x,cn=y,dc=z", "y"),
            ("cn=a+uid=b,dc=c", "a"),
            ("cn=a\\,b,dc=c", "a,b"),
            ("cn=gr\\c3\\bc,dc=c", "gr\u00fc"),
            ("uid=a,dc=b", None),
            ("Admins", None),
            ("", None),
            ("cn=", None),
            ("cn=a,nonsense", None),
            ('cn=a"b,dc=c', None),
            ("cn=\\ff", None),
        ],
    )
    def test_the_common_name_is_the_first_of_a_name(self, name: str, common: str | None) -> None:
        assert common_name(name) == common

    @given(st.text(max_size=40))
    def test_any_text_is_a_name_or_none(self, name: str) -> None:
        common_name(name)
        is_plain(name)

    @pytest.mark.parametrize(
        "name", ["alice", "Alice", "a b", "star*", "gr\u00fc\u00dfe", "a@b", "a/b"]
    )
    def test_a_plain_name_may_log_in(self, name: str) -> None:
        assert is_plain(name)

    @pytest.mark.parametrize(
        "name",
        [
            "",
            " alice",
            "alice ",
            "a  b",
            "a\tb",
            "a\u00adb",
            "a\u200bb",
            "\uff41lice",
            "a\0",
            "x" * 257,
            "a\u0308",
        ],
    )
    def test_another_spelling_of_a_name_is_nobody(self, name: str) -> None:
        assert not is_plain(name)
