"""The ldap method against OpenLDAP's slapd: paths in, proofs out."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.auth.ldap import Ldap, connection, method
from strongroom.auth.ldap.connection import Connection
from strongroom.auth.ldap.names import composed
from strongroom.base.errors import DeniedError, InputError, NotFoundError, UpstreamError
from strongroom.base.secret import Secret
from strongroom.sdk.auth import Proof
from strongroom.testing.mount import Mount, shown
from tests.auth import slapd
from tests.auth.slapd import BASE, GROUPS, OPEN, PASSWORD, PEOPLE, STRANGE, Directory

_kept: dict[str, Mount] = {}
KNOWN = frozenset(
    {"alice", "bob", "many", "twin", "barred", "gone", "named", "second-name", *STRANGE}
)


async def mounted(fields: Mapping[str, object], **more: object) -> Mount:
    """Return a mount with this configuration."""
    mount = Mount(Ldap())
    await mount.write("config", **{**fields, **more})
    return mount


async def renewed(mount: Mount, proof: Proof) -> tuple[str, ...]:
    """Return the policies that a renewal finds."""
    async with mount.call() as call:
        rules = await Ldap().still_holds(call, proof.role, proof.alias)
    return rules.token_policies


class TestConfig:
    async def test_a_mount_shows_vaults_defaults_before_anything_is_written(self) -> None:
        found = await Mount(Ldap()).read("config")

        assert found["url"] == "ldap://127.0.0.1"
        assert found["userattr"] == found["groupattr"] == "cn"
        assert found["userfilter"] == "({{.UserAttr}}={{.Username}})"
        assert found["deny_null_bind"] is True
        assert (found["connection_timeout"], found["request_timeout"]) == (30, 90)
        assert not {"bindpass", "client_tls_key", "client_tls_cert"} & set(found)

    async def test_a_password_or_a_key_is_never_read_back(self, directory: Directory) -> None:
        certificate, key = directory.authority.issue("client", "client.test")
        mount = await mounted(
            directory.searching(),
            client_tls_cert=certificate.read_text(),
            client_tls_key=key.read_text(),
        )

        text = repr(shown(await mount.read("config")))

        assert slapd.SERVICE_PASSWORD not in text
        assert "PRIVATE" not in text
        assert slapd.SERVICE_PASSWORD not in repr(mount.store.records)

    async def test_a_write_keeps_what_it_does_not_name(self, directory: Directory) -> None:
        mount = await mounted(directory.searching())
        await mount.write("config", token_policies="staff", token_ttl="1h", userattr="UID")

        found = await mount.read("config")
        assert found["userdn"] == PEOPLE
        assert found["userattr"] == "uid"
        proof = await mount.login(username="alice", password=PASSWORD)
        assert proof.rules.token_policies == ("staff",)
        assert proof.rules.token_ttl == timedelta(hours=1)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"insecure_tls": True}, "insecure_tls"),
            ({"deny_null_bind": False}, "deny_null_bind"),
            ({"use_token_groups": True}, "use_token_groups"),
            ({"use_pre111_group_cn_behavior": True}, "use_pre111"),
            ({"url": "http://directory.test"}, "url"),
            ({"url": ""}, "url"),
            ({"url": "ldap://directory.test"}, "starttls"),
            ({"url": "ldap://192.0.2.1", "starttls": False}, "starttls"),
            ({"url": "ldaps://user:pw@directory.test"}, "url"),
            ({"url": "ldaps://directory.test/dc=x"}, "url"),
            ({"url": "ldaps://directory.test:port"}, "url"),
            ({"url": ",".join(["ldap://127.0.0.1"] * 9)}, "1 to 8"),
            ({"userfilter": "(uid=alice)"}, "Username"),
            ({"userfilter": "({{.Username}}=x)"}, "userfilter"),
            ({"groupfilter": "(objectClass=groupOfNames)"}, "groupfilter"),
            ({"userattr": "u)d"}, "userattr"),
            ({"groupattr": ""}, "groupattr"),
            ({"request_timeout": 0}, "between 1s and 5m"),
            ({"connection_timeout": "1h"}, "between 1s and 5m"),
            ({"tls_min_version": "tls10"}, "tls_min_version"),
            ({"tls_min_version": "tls13", "tls_max_version": "tls12"}, "older"),
            ({"certificate": "x"}, "certificate"),
            ({"client_tls_cert": "x"}, "client_tls_key"),
            ({"client_tls_cert": "x", "client_tls_key": "y"}, "client_tls_cert"),
            ({"bindpass": ""}, "go together"),
            ({"dereference_aliases": "maybe"}, "dereference_aliases"),
            ({"max_page_size": -1}, "max_page_size"),
            ({"token_policies": "root"}, "root"),
            ({"url": "ldaps://elsewhere.test"}, "bindpass: must be sent again"),
            ({"url": "ldaps://elsewhere.test", "bindpass": None}, "go together"),
        ],
    )
    async def test_what_cannot_be_used_is_refused_and_changes_nothing(
        self, directory: Directory, fields: dict[str, object], message: str
    ) -> None:
        mount = await mounted(directory.searching())
        before = mount.store.records

        with pytest.raises(InputError, match=message):
            await mount.write("config", **fields)
        assert mount.store.records == before

    async def test_a_mount_without_a_configuration_lets_nobody_in(self) -> None:
        with pytest.raises(InputError, match="not configured"):
            await Mount(Ldap()).login(username="alice", password=PASSWORD)


class TestRecords:
    async def test_users_and_groups_are_kept_in_lower_case(self) -> None:
        mount = Mount(Ldap())
        await mount.write("users/Alice", policies="x,Y, x", groups="One, two")
        await mount.write("groups/Domain Admins", policies="ops")
        await mount.write("groups/a/b", policies="ops")

        assert await mount.read("users/ALICE") == {"groups": "one,two", "policies": ["x", "y"]}
        assert await mount.list("users") == {"keys": ["alice"]}
        assert await mount.read("groups/domain admins") == {"policies": ["ops"]}
        assert await mount.list("groups") == {"keys": ["a/b", "domain admins"]}

    async def test_a_write_is_the_whole_record(self) -> None:
        mount = Mount(Ldap())
        await mount.write("users/alice", policies="x", groups="one")
        await mount.write("users/alice", groups="two")

        assert await mount.read("users/alice") == {"groups": "two", "policies": []}

    async def test_records_are_deleted_repeatably(self) -> None:
        mount = Mount(Ldap())
        for path in ("users/alice", "groups/ops"):
            await mount.write(path, policies="x")
            assert await mount.exists(path)
            await mount.delete(path)
            await mount.delete(path)
            with pytest.raises(NotFoundError):
                await mount.read(path)

    @pytest.mark.parametrize("path", ["users/alice", "groups/ops"])
    async def test_root_is_refused(self, path: str) -> None:
        with pytest.raises(InputError, match="root"):
            await Mount(Ldap()).write(path, policies="root")

    @pytest.mark.parametrize("name", [" alice", "a\u200blice", "\uff41lice"])
    async def test_a_name_that_cannot_log_in_has_no_record(self, name: str) -> None:
        with pytest.raises(InputError, match="not a name"):
            await Mount(Ldap()).write(f"users/{name}", policies="x")


class TestLogin:
    @pytest.mark.parametrize("way", ["searching", "by_name"])
    async def test_the_right_password_proves_the_user(self, directory: Directory, way: str) -> None:
        mount = await mounted(getattr(directory, way)(), token_policies="staff")
        await mount.write("groups/admins", policies="admin")
        await mount.write("users/alice", policies="own", groups="Local")
        await mount.write("groups/local", policies="local")

        proof = await mount.login(username="Alice", password=PASSWORD)

        assert proof.alias == "alice"
        assert proof.role == proof.display == "alice"
        assert proof.metadata == {"username": "alice"}
        assert proof.shown_by == "password"
        assert set(proof.groups) == {"local", "Admins", "dev"}
        assert proof.rules.token_policies == ("staff", "local", "admin", "own")
        assert not proof.workload

    async def test_an_anonymous_search_finds_whom_anonymous_clients_may_see(
        self, directory: Directory
    ) -> None:
        mount = await mounted(directory.by_name(), userdn=OPEN, discoverdn=True, groupdn="")

        assert (await mount.login(username="carol", password=PASSWORD)).alias == "carol"

    @pytest.mark.parametrize(
        ("username", "password"),
        [
            pytest.param("alice", "wrong", id="wrong password"),
            pytest.param("bob", PASSWORD, id="another's password"),
            pytest.param("nobody", PASSWORD, id="unknown user"),
            pytest.param("twin", PASSWORD, id="two users of that name"),
            pytest.param("barred", PASSWORD, id="locked for good"),
            pytest.param("*", PASSWORD, id="a star"),
            pytest.param("ali*", PASSWORD, id="part of a name"),
            pytest.param("alice)(uid=*", PASSWORD, id="another comparison"),
            pytest.param("alice)(|(uid=*", PASSWORD, id="another list"),
            pytest.param("\\61lice", PASSWORD, id="an escaped name"),
            pytest.param(" alice", PASSWORD, id="a space before"),
            pytest.param("al\u00adice", PASSWORD, id="what does not show"),
            pytest.param("\uff41lice", PASSWORD, id="wide letters"),
            pytest.param(f"alice,{PEOPLE}", PASSWORD, id="a distinguished name"),
            pytest.param("x" * 300, PASSWORD, id="a long name"),
        ],
    )
    async def test_refusals_are_alike_and_ask_the_directory_as_often(
        self,
        directory: Directory,
        monkeypatch: pytest.MonkeyPatch,
        username: str,
        password: str,
    ) -> None:
        mount = await mounted(directory.searching())
        asked = counted(monkeypatch)

        with pytest.raises(DeniedError):
            await mount.login(username=username, password=password)

        assert [tag for tag, _ in asked[:3]] == [0x60, 0x63, 0x60]
        if username != "barred":  # what is known only from one's own entry is asked behind a bind
            assert len(asked) == 3
        assert password.encode() in asked[2][1]

    @pytest.mark.parametrize("username", ["alice", "nobody", " alice", "alice,ou=x"])
    async def test_without_a_search_each_refusal_is_one_bind(
        self, directory: Directory, monkeypatch: pytest.MonkeyPatch, username: str
    ) -> None:
        mount = await mounted(directory.by_name())
        asked = counted(monkeypatch)

        with pytest.raises(DeniedError):
            await mount.login(username=username, password="wrong")

        assert [tag for tag, _ in asked] == [0x60]

    @pytest.mark.parametrize("username", ["alice", "nobody"])
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({}, "missing password"),
            ({"password": ""}, "missing password"),
            ({"password": "\0"}, "zero byte"),
            ({"password": f"{PASSWORD}\0"}, "zero byte"),
            ({"password": "x" * 1_025}, "longer than"),
        ],
    )
    async def test_a_password_that_is_none_is_refused_before_anything_is_asked(
        self,
        directory: Directory,
        monkeypatch: pytest.MonkeyPatch,
        username: str,
        fields: dict[str, str],
        message: str,
    ) -> None:
        mount = await mounted(directory.searching())
        asked = counted(monkeypatch)

        with pytest.raises(InputError, match=message):
            await mount.login(username=username, **fields)
        assert asked == []

    def test_a_bind_without_name_or_password_cannot_be_sent(self) -> None:
        idle = Connection.__new__(Connection)

        for name, password in (("", "x"), ("cn=x", ""), ("cn=x", "\0"), ("cn=x", "x\0")):
            with pytest.raises(ValueError, match="takes a name and a password"):
                idle.bind(name, Secret(password))

    async def test_a_login_from_another_network_is_refused_after_the_same_work(
        self, directory: Directory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mount = await mounted(directory.searching(), token_bound_cidrs="10.0.0.0/8")
        asked = counted(monkeypatch)

        with pytest.raises(DeniedError):
            await mount.login(username="alice", password=PASSWORD)
        assert len(asked) > 3

    @pytest.mark.parametrize("name", STRANGE)
    @pytest.mark.parametrize("way", ["searching", "by_name"])
    async def test_a_strange_name_is_its_own_users(
        self, directory: Directory, way: str, name: str
    ) -> None:
        mount = await mounted(getattr(directory, way)())

        proof = await mount.login(username=name, password=PASSWORD)
        assert proof.alias == name

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        name=st.text(st.sampled_from('alicebo*()\\,=+"<>;#&|! \0é2a'), min_size=1, max_size=12)
        | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
    )
    @pytest.mark.parametrize("way", ["searching", "by_name"])
    async def test_whatever_is_typed_finds_the_user_of_that_name_or_nobody(
        self, directory: Directory, way: str, name: str
    ) -> None:
        mount = _kept.get(way) or _kept.setdefault(way, await mounted(getattr(directory, way)()))
        spelled = name.replace("/", "-").replace("\0", "*")

        try:
            proof = await mount.login(username=spelled, password=PASSWORD)
        except (DeniedError, InputError, NotFoundError):
            return
        assert composed(spelled).lower() in KNOWN
        assert proof.role == composed(spelled).lower()

    async def test_pages_reach_beyond_what_the_directory_gives_at_once(
        self, directory: Directory
    ) -> None:
        mount = await mounted(directory.searching())
        with pytest.raises(UpstreamError, match="does not finish the search"):
            await mount.login(username="many", password=PASSWORD)

        await mount.write("config", max_page_size=50)
        proof = await mount.login(username="many", password=PASSWORD)
        assert len(proof.groups) == 250

    async def test_groups_are_named_by_the_common_name_of_what_an_attribute_holds(
        self, directory: Directory
    ) -> None:
        mount = await mounted(
            directory.searching(),
            groupdn=GROUPS,
            groupfilter="(&(objectClass=groupOfNames)(member={{.UserDN}}))",
            groupattr="member",
        )

        proof = await mount.login(username="alice", password=PASSWORD)
        assert proof.groups == (f"uid=alice,{PEOPLE}", f"uid=carol,{OPEN}")

    async def test_a_filter_may_find_a_user_by_several_attributes(
        self, directory: Directory
    ) -> None:
        mount = await mounted(
            directory.searching(), userfilter="(|(uid={{.Username}})(mail={{.Username}}))"
        )

        proof = await mount.login(username="alice@example.test", password=PASSWORD)
        assert proof.alias == "alice"
        assert proof.role == "alice@example.test"

    async def test_the_typed_name_may_be_the_alias(self, directory: Directory) -> None:
        mount = await mounted(directory.searching(), username_as_alias=True)

        assert (await mount.login(username="ALICE", password=PASSWORD)).alias == "alice"
        assert (await mount.login(username="named", password=PASSWORD)).alias == "named"

    async def test_an_entry_with_two_names_has_no_alias(self, directory: Directory) -> None:
        mount = await mounted(directory.searching())

        with pytest.raises(UpstreamError, match="not one value of userattr"):
            await mount.login(username="named", password=PASSWORD)

    async def test_names_may_differ_by_case(self, directory: Directory) -> None:
        mount = await mounted(directory.searching(), case_sensitive_names=True)
        await mount.write("groups/Admins", policies="upper")
        await mount.write("groups/admins", policies="lower")

        proof = await mount.login(username="Alice", password=PASSWORD)
        assert proof.rules.token_policies == ("upper",)
        assert proof.role == "Alice"
        assert proof.alias == "alice"

    async def test_lock_out_counts_a_name_in_its_one_form(self) -> None:
        subject = Ldap().login().subject

        assert subject(method.Attempt(username="ALICE")) == "alice"
        assert subject(method.Attempt(username="u\u0308")) == "\u00fc"

    async def test_only_a_record_makes_a_name_known_to_the_log(self, directory: Directory) -> None:
        mount = await mounted(directory.searching())
        await mount.write("users/alice", policies="x")

        async with mount.call() as call:
            assert await Ldap().knows(call, method.Attempt(username="Alice"))
            assert not await Ldap().knows(call, method.Attempt(username="bob"))

    async def test_guardrails_are_told_of_all_who_have_logged_in(
        self, directory: Directory
    ) -> None:
        mount = await mounted(directory.searching())
        await mount.login(username="alice", password=PASSWORD)

        for route in Ldap().routes():
            if route.write is not None:
                assert route.subjects is not None
                async with mount.call() as call:
                    assert await route.subjects(call, None) == ("alice",)


class TestSecurity:
    @pytest.mark.parametrize("tls", ["starttls", "ldaps"])
    async def test_tls_is_spoken_with_whom_the_authority_vouches_for(
        self, directory: Directory, tls: str
    ) -> None:
        url = directory.tls_url if tls == "ldaps" else directory.url
        mount = await mounted(
            directory.searching(),
            url=url,
            starttls=tls == "starttls",
            certificate=directory.authority.pem,
            tls_min_version="tls13",
        )

        assert (await mount.login(username="alice", password=PASSWORD)).alias == "alice"

    @pytest.mark.parametrize("tls", ["starttls", "ldaps"])
    @pytest.mark.parametrize("fault", ["another authority", "another host", "no authority"])
    async def test_a_certificate_of_another_is_not_trusted_and_no_password_is_sent(
        self, directory: Directory, monkeypatch: pytest.MonkeyPatch, tls: str, fault: str
    ) -> None:
        other = slapd.authority(directory.authority.folder, "other")
        pem = {"another authority": other.pem, "no authority": ""}
        host = "127.0.0.2" if fault == "another host" else "127.0.0.1"
        port = directory.tls_port if tls == "ldaps" else directory.port
        mount = await mounted(
            directory.searching(),
            url=f"{'ldaps' if tls == 'ldaps' else 'ldap'}://{host}:{port}",
            starttls=tls == "starttls",
            certificate=pem.get(fault, directory.authority.pem),
        )
        if fault == "another host":  # the same server, by a name that is not in its certificate
            dialled = connection._dialled
            monkeypatch.setattr(
                connection,
                "_dialled",
                lambda address, until: dialled(replace(address, host="127.0.0.1"), until),
            )
        asked = counted(monkeypatch)

        with pytest.raises(UpstreamError, match="certificate is not trusted"):
            await mount.login(username="alice", password=PASSWORD)
        assert not [tag for tag, _ in asked if tag == 0x60]

    async def test_our_own_certificate_is_shown(self, directory: Directory) -> None:
        certificate, key = directory.authority.issue("shown", "client.test")
        mount = await mounted(
            directory.searching(),
            url=directory.tls_url,
            certificate=directory.authority.pem,
            client_tls_cert=certificate.read_text(),
            client_tls_key=key.read_text(),
        )

        assert (await mount.login(username="alice", password=PASSWORD)).alias == "alice"

    async def test_the_next_url_is_asked_where_one_cannot_be(self, directory: Directory) -> None:
        mount = await mounted(
            directory.searching(), url=f"ldap://127.0.0.1:1,{directory.url}", connection_timeout=1
        )

        assert (await mount.login(username="alice", password=PASSWORD)).alias == "alice"

    @pytest.mark.parametrize("username", ["alice", "nobody"])
    async def test_a_directory_that_is_down_is_told_apart_for_every_name_alike(
        self, directory: Directory, username: str
    ) -> None:
        mount = await mounted(directory.searching(), url="ldap://127.0.0.1:1")

        with pytest.raises(UpstreamError, match=r"^the directory cannot be reached$"):
            await mount.login(username=username, password=PASSWORD)

    @pytest.mark.parametrize("username", ["alice", "nobody"])
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"binddn": f"cn=none,{BASE}"}, "refuses the account"),
            ({"bindpass": "wrong"}, "refuses the account"),
            ({"userdn": f"ou=none,{BASE}"}, "no userdn"),
        ],
    )
    async def test_a_wrong_configuration_is_said_for_every_name_alike(
        self, directory: Directory, fields: dict[str, object], message: str, username: str
    ) -> None:
        mount = await mounted(directory.searching(), **fields)

        with pytest.raises(UpstreamError, match=message):
            await mount.login(username=username, password=PASSWORD)

    async def test_groups_that_cannot_be_had_let_nobody_in(self, directory: Directory) -> None:
        mount = await mounted(directory.searching(), groupdn=f"ou=none,{BASE}")

        with pytest.raises(UpstreamError, match="no groupdn"):
            await mount.login(username="alice", password=PASSWORD)

    def test_old_tls_is_not_spoken(self, directory: Directory) -> None:
        context = connection.Trusted(authorities=directory.authority.pem).context()

        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname


class TestRenewal:
    async def test_a_renewal_looks_the_user_up_without_a_password(
        self, directory: Directory
    ) -> None:
        mount = await mounted(directory.searching())
        await mount.write("groups/admins", policies="admin")
        proof = await mount.login(username="Alice", password=PASSWORD)
        await mount.write("groups/dev", policies="new")

        assert set(await renewed(mount, proof)) == {"admin", "new"}

    @pytest.mark.parametrize(
        "change",
        ["pwdAccountLockedTime: 000001010000Z", "employeeType: userAccountControl"],
        ids=["locked", "deleted"],
    )
    async def test_a_user_who_is_locked_or_gone_renews_nothing(
        self, directory: Directory, change: str
    ) -> None:
        name = f"leaver-{change[:3].lower()}"
        directory.change(
            slapd.person(name).replace("\nobjectClass", "\nchangetype: add\nobjectClass", 1)
        )
        mount = await mounted(directory.searching())
        proof = await mount.login(username=name, password=PASSWORD)
        assert await renewed(mount, proof) == ()

        if change.startswith("pwd"):
            directory.change(
                slapd.entry(
                    f"uid={name},{PEOPLE}".replace("-", "\\2d"),
                    "changetype: modify",
                    "add: pwdAccountLockedTime",
                    change,
                )
            )
        else:
            directory.change(
                slapd.entry(f"uid={name},{PEOPLE}".replace("-", "\\2d"), "changetype: delete")
            )
        with pytest.raises(DeniedError):
            await renewed(mount, proof)

    async def test_somebody_else_of_that_name_does_not_renew(self, directory: Directory) -> None:
        mount = await mounted(directory.searching())
        proof = await mount.login(username="alice", password=PASSWORD)

        with pytest.raises(DeniedError):
            await renewed(mount, replace(proof, alias="bob"))
        with pytest.raises(DeniedError):
            await renewed(mount, replace(proof, role="nobody"))

    async def test_without_a_way_to_look_up_nothing_is_renewed(self, directory: Directory) -> None:
        mount = await mounted(directory.by_name())
        proof = await mount.login(username="alice", password=PASSWORD)

        with pytest.raises((DeniedError, UpstreamError)):
            await renewed(mount, proof)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    """Return a list that each question goes into: tag and content."""
    asked: list[tuple[int, bytes]] = []
    ask = Connection._ask

    def note(self: Connection, tag: int, *parts: bytes, controls: bytes = b"") -> object:
        asked.append((tag, b"".join(parts)))
        return ask(self, tag, *parts, controls=controls)

    monkeypatch.setattr(Connection, "_ask", note)
    return asked
