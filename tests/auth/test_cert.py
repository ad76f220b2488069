"""The cert method as a caller meets it: roles, logins, revocation, renewal."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from strongroom.auth.cert import Cert
from strongroom.auth.cert.certificates import MOST_SHOWN, authorities, leaf_of, shown
from strongroom.auth.cert.method import REFUSED
from strongroom.auth.cert.records import Binding
from strongroom.auth.cert.revocation import read_list, serials
from strongroom.auth.cert.spiffe import SvidError, domain_of
from strongroom.auth.cert.texts import text_of
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.router import Operation
from strongroom.sdk.auth import Proof, TokenRules
from strongroom.sdk.workloads import LONGEST, SHORT
from strongroom.testing.mount import Mount
from strongroom.testing.mount import shown as seen
from tests.auth.issuing import (
    CLIENT,
    DAY,
    NOW,
    SERVER,
    Issued,
    alone,
    dns,
    emails,
    key_usage,
    root,
    text,
    uris,
)

ROOT = root()
BETWEEN = ROOT.issue("between", authority=True)
WEB = BETWEEN.issue("web", dns("web.example"))
REVOKED = x509.load_pem_x509_crl(BETWEEN.revoke(WEB).encode()).public_bytes(Encoding.DER)


async def with_role(pem: str = ROOT.pem, /, **settings: Any) -> Mount:
    mount = Mount(Cert())
    await mount.write("certs/web", certificate=pem, token_policies="deploy", **settings)
    return mount


async def let_in(mount: Mount, chain: tuple[bytes, ...] | Issued, **fields: object) -> Proof:
    mount.certificates = chain.chain if isinstance(chain, Issued) else chain
    return await mount.login(**fields)


async def refused(mount: Mount, chain: tuple[bytes, ...] | Issued, **fields: object) -> str:
    """Return why a login is refused, in the words that the log has."""
    with pytest.raises(DeniedError) as caught:
        await let_in(mount, chain, **fields)
    return str(caught.value)


async def renewed(mount: Mount, proof: Proof) -> TokenRules:
    async with mount.call() as call:
        return await Cert().still_holds(call, proof.role, proof.alias)


async def not_renewed(mount: Mount, proof: Proof) -> str:
    with pytest.raises(DeniedError) as caught:
        await renewed(mount, proof)
    return str(caught.value)


class TestLogins:
    async def test_a_chain_to_a_trusted_authority_lets_in(self) -> None:
        proof = await let_in(await with_role(token_ttl="5m"), WEB)

        assert (proof.alias, proof.shown_by, proof.workload) == ("web", "certificate", True)
        assert (proof.display, proof.entrance) == ("web", "web")
        assert proof.rules.token_ttl == timedelta(minutes=5)
        assert proof.metadata["cert_name"] == "web"
        assert proof.metadata["common_name"] == "web"
        assert proof.metadata["serial_number"] == str(WEB.certificate.serial_number)
        assert len(proof.metadata["authority_key_id"].split(":")) == 20
        assert proof.alias_metadata == {}

    async def test_an_intermediate_may_be_what_is_trusted(self) -> None:
        assert (await let_in(await with_role(BETWEEN.pem), (WEB.der,))).alias == "web"

    async def test_a_login_may_name_its_role(self) -> None:
        mount = await with_role()

        assert (await let_in(mount, WEB, name="WEB")).metadata["cert_name"] == "web"
        for name in ("other", "../web", "x" * 600, "we b"):
            assert "no role" in await refused(mount, WEB, name=name)

    async def test_of_several_roles_the_first_that_takes_it_counts(self) -> None:
        mount = await with_role(allowed_common_names="other")
        await mount.write("certs/a-else", certificate=root().pem)
        await mount.write("certs/z-last", certificate=ROOT.pem, policies="last")

        proof = await let_in(mount, WEB)

        assert proof.metadata["cert_name"] == "z-last"
        assert proof.rules.token_policies == ("last",)

    async def test_a_client_may_be_named_itself(self) -> None:
        own = alone("lone", CLIENT)
        mount = await with_role(own.pem)

        assert (await let_in(mount, own)).alias == "lone"
        assert await refused(mount, alone("lone", CLIENT))
        mount.at += 11 * 86_400
        assert "not valid now" in await refused(mount, own)

    async def test_a_client_named_itself_needs_no_purpose_but_no_other_one(self) -> None:
        plain, wrong = alone("plain"), alone("wrong", SERVER)

        assert (await let_in(await with_role(plain.pem), plain)).alias == "plain"
        with pytest.raises(InputError, match="is not for clients"):
            await with_role(wrong.pem)

    async def test_a_client_named_itself_vouches_for_nobody(self) -> None:
        own = alone("lone", CLIENT)
        below = own.issue("below")

        mount = await with_role(own.pem + ROOT.pem)

        assert "no role" in await refused(mount, below)
        assert await refused(mount, WEB)  # what stands behind the client's own is not trusted

    @pytest.mark.parametrize(
        ("chain", "because"),
        [
            ((), "no client certificate"),
            (ROOT.issue("old", ends=NOW - timedelta(hours=1)).chain, "not valid"),
            (ROOT.issue("new", starts=NOW + timedelta(hours=1)).chain, "not valid"),
            (ROOT.issue("server", purposes=SERVER).chain, "not for clients"),
            (ROOT.issue("nothing", purposes=None).chain, "2.5.29.37"),
            ((WEB.der,), "no role trusts"),  # the intermediate is missing
            (root("other").issue("web").chain, "no role trusts"),
            (root("root").issue("web").chain, "signature"),  # the same name, another key
            (BETWEEN.issue("x", authority=True).chain, "an authority's"),
            (ROOT.issue("leaf").issue("below").chain, "cA"),
            (
                ROOT.issue("x", constraints=x509.BasicConstraints(ca=True, path_length=None)).chain,
                "an authority's",
            ),
            (ROOT.issue("x", usage=key_usage(signs=False)).chain, "may not sign"),
            (
                ROOT.issue("x", authority=True, usage=key_usage()).issue("web").chain,
                "may not sign certificates",
            ),
            (
                ROOT.issue("x", SERVER, authority=True).issue("web").chain,
                "not for clients",
            ),
            (ROOT.issue("", dns("web.example")).chain, "no common name"),
            (ROOT.issue("x", text("1.2.3.4", "a"), critical=True).chain, "critical"),
            (ROOT.issue("spiffe://td/web").chain, "no common name"),
            ((b"",), "not a certificate"),
            ((b"\x30\x82\xff\xff" + b"\0" * 99,), "not a certificate"),
            ((WEB.der[:-1],), "not a certificate"),
            ((WEB.der, b"junk"), "not a certificate"),
            ((WEB.der,) * (MOST_SHOWN + 1), "too long"),
            ((WEB.der + b"\0" * 20_000,), "too long"),
        ],
        ids=range(23),
    )
    async def test_whatever_else_is_refused(self, chain: tuple[bytes, ...], because: str) -> None:
        mount = await with_role()

        assert because in await refused(mount, chain)
        assert because in await refused(mount, chain, name="web") or because == "no role trusts"

    async def test_an_authority_that_has_expired_vouches_for_nobody(self) -> None:
        past = root("past", ends=NOW - timedelta(hours=1))
        gone = ROOT.issue("gone", authority=True, ends=NOW - timedelta(hours=1))

        assert "not valid" in await refused(await with_role(past.pem), past.issue("web"))
        assert "not valid" in await refused(await with_role(), gone.issue("web"))

    async def test_chains_are_as_deep_as_they_may_be(self) -> None:
        mount, above = await with_role(), ROOT
        for step in range(5):
            above = above.issue(f"step {step}", authority=True)

        assert (await let_in(mount, above.issue("deep"))).alias == "deep"
        assert "depth" in await refused(mount, above.issue("6", authority=True).issue("deep"))

    async def test_authorities_that_vouch_for_each_other_end_the_search(self) -> None:
        one = ROOT.issue("loop", authority=True)
        loops = [one.issue("loop", authority=True) for _ in range(8)]
        leaf = loops[0].issue("web")
        strange = root("strange").issue("loop", authority=True).issue("web")

        mount = await with_role()

        assert await refused(mount, (strange.der, *(each.der for each in loops)))
        assert await refused(mount, (leaf.der, *(each.der for each in loops[1:])))

    async def test_a_key_that_is_too_short_is_refused(self) -> None:
        short = rsa.generate_private_key(65_537, 1024)
        built = (
            x509.CertificateBuilder(extensions=[])
            .subject_name(WEB.certificate.subject)
            .issuer_name(ROOT.certificate.subject)
            .public_key(short.public_key())
            .serial_number(5)
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(CLIENT, critical=False)
        )
        der = built.sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.DER)

        assert "too weak" in await refused(await with_role(), (der,))

    async def test_a_token_ends_before_its_certificate_does(self) -> None:
        soon = ROOT.issue("soon", ends=NOW + timedelta(minutes=3))
        mount = await with_role(token_period="1h")

        rules = (await let_in(mount, soon)).rules

        assert rules.token_explicit_max_ttl == timedelta(minutes=3)
        assert (await let_in(mount, WEB)).rules.token_explicit_max_ttl == 10 * DAY

    async def test_a_token_is_short_where_nobody_says_otherwise(self) -> None:
        rules = (await let_in(await with_role(), WEB)).rules
        long = await with_role(token_ttl="100h", token_max_ttl="700h")
        assert "24h" in long.warnings[-1]
        capped = (await let_in(long, WEB)).rules

        assert (rules.token_ttl, rules.token_max_ttl) == (SHORT, LONGEST)
        assert (capped.token_ttl, capped.token_max_ttl) == (LONGEST, LONGEST)

    async def test_a_login_from_elsewhere_is_refused(self) -> None:
        mount = await with_role(token_bound_cidrs="10.0.0.0/8")

        assert "not from there" in await refused(mount, WEB)
        mount.address = "10.1.2.3"
        assert (await let_in(mount, WEB)).alias == "web"


class TestConstraints:
    @pytest.mark.parametrize(
        ("settings", "fits"),
        [
            ({"allowed_names": "web"}, True),
            ({"allowed_names": "*.example"}, True),
            ({"allowed_names": "*@example.com"}, True),
            ({"allowed_names": "spiffe://*"}, False),
            ({"allowed_common_names": "no,w*b"}, True),
            ({"allowed_common_names": "web.example"}, False),
            ({"allowed_dns_sans": "web.*"}, True),
            ({"allowed_dns_sans": "web"}, False),
            ({"allowed_email_sans": "ops@*"}, True),
            ({"allowed_email_sans": "dev@*"}, False),
            ({"allowed_uri_sans": "https://*/web"}, True),
            ({"allowed_uri_sans": "https://web"}, False),
            ({"allowed_organizational_units": "plat*"}, True),
            ({"allowed_organizational_units": "platform,sales"}, True),
            ({"allowed_organizational_units": "sales"}, False),
            ({"allowed_organizational_units": "platfor?"}, False),
            ({"required_extensions": "1.2.3.4:pro*"}, True),
            ({"required_extensions": "1.2.3.4:prod,1.2.3.5:x"}, False),
            ({"required_extensions": "1.2.3.4:dev"}, False),
            ({"required_extensions": "2.5.29.15:*"}, False),  # holds no text
            ({"allowed_dns_sans": "web.*", "allowed_common_names": "no"}, False),
        ],
    )
    async def test_a_role_asks_for_names_units_and_extensions(
        self, settings: dict[str, str], *, fits: bool
    ) -> None:
        names = x509.SubjectAlternativeName(
            [
                x509.DNSName("web.example"),
                x509.RFC822Name("ops@example.com"),
                x509.UniformResourceIdentifier("https://a.example/web"),
            ]
        )
        client = ROOT.issue("web", names, text("1.2.3.4", "prod"), units=["platform", "x"])
        mount = await with_role(**settings)

        if fits:
            assert (await let_in(mount, client)).alias == "web"
        else:
            assert await refused(mount, client)

    async def test_a_certificate_without_a_unit_fits_no_unit(self) -> None:
        assert await refused(await with_role(allowed_organizational_units="*"), WEB)

    async def test_texts_of_extensions_go_into_the_metadata(self) -> None:
        client = ROOT.issue("web", text("1.2.3.4", "prod"))
        mount = await with_role(allowed_metadata_extensions="1.2.3.4,1.2.3.5")
        await mount.write("config", enable_identity_alias_metadata=True)

        proof = await let_in(mount, client)

        assert proof.metadata["1-2-3-4"] == "prod"
        assert "1-2-3-5" not in proof.metadata
        assert proof.alias_metadata == proof.metadata

    @pytest.mark.parametrize(
        ("permitted", "name", "sans", "fits"),
        [
            (x509.DNSName("example"), "web.example", dns("web.example"), True),
            (x509.DNSName("other"), "web.example", dns("web.example"), False),
            (x509.DNSName("example"), "admin.other", dns("web.example"), False),
            (x509.DNSName("example"), "admin.other", None, False),
            (x509.RFC822Name("example.com"), "a@example.com", emails("a@example.com"), True),
            (x509.RFC822Name("other.com"), "a@example.com", emails("a@example.com"), False),
            (x509.UniformResourceIdentifier("td"), "x", uris("spiffe://td/x"), False),
        ],
    )
    async def test_what_an_authority_may_vouch_for_is_kept_to(
        self,
        permitted: x509.GeneralName,
        name: str,
        sans: x509.SubjectAlternativeName | None,
        *,
        fits: bool,
    ) -> None:
        limits = x509.NameConstraints([permitted], None)
        below = ROOT.issue("below", limits, authority=True, critical=True)
        client = below.issue(name, *([sans] if sans else []))
        mount = await with_role()

        if fits:
            assert (await let_in(mount, client)).alias == name
        else:
            assert await refused(mount, client)


class TestSpiffe:
    async def test_an_svid_is_known_by_its_id(self) -> None:
        mount = await with_role(allowed_uri_sans="spiffe://prod.example/*")

        proof = await let_in(mount, ROOT.issue("any", uris("spiffe://prod.example/ns/a/sa/b")))
        nameless = await let_in(mount, ROOT.issue("", uris("spiffe://prod.example/x")))

        assert proof.alias == "spiffe://prod.example/ns/a/sa/b"
        assert proof.metadata["spiffe_id"] == proof.alias
        assert nameless.alias == "spiffe://prod.example/x"

    @pytest.mark.parametrize(
        "pattern",
        ["", "*", "spiffe://*", "spiffe://prod*", "spiffe://prod.example*", "spiffe://other/*"],
    )
    async def test_a_role_must_name_the_trust_domain_in_full(self, pattern: str) -> None:
        mount = await with_role(allowed_uri_sans=pattern)

        assert await refused(mount, ROOT.issue("x", uris("spiffe://prod.example/x")))
        assert await refused(mount, ROOT.issue("x", uris("spiffe://prod.example.evil/x")))

    @pytest.mark.parametrize(
        "client",
        [
            ROOT.issue("x", uris("spiffe://td/a", "spiffe://td/b")),
            ROOT.issue("x", uris("spiffe://td/a", "https://a.example/")),
            ROOT.issue("x", uris("SPIFFE://td/a")),
            ROOT.issue("x", uris("spiffe://td")),
            ROOT.issue("x", uris("spiffe://td/")),
            ROOT.issue("x", uris("spiffe://td/a/")),
            ROOT.issue("x", uris("spiffe://td/a/../b")),
            ROOT.issue("x", uris("spiffe://td//b")),
            ROOT.issue("x", uris("spiffe://td/a?b")),
            ROOT.issue("x", uris("spiffe://u@td/a")),
            ROOT.issue("x", uris("spiffe://td:1/a")),
            ROOT.issue("x", uris("spiffe://td/%61")),
            ROOT.issue("x", uris("spiffe://td/" + "a" * 600)),
            ROOT.issue("x", uris("spiffe://td/a"), usage=key_usage(certificates=True)),
        ],
        ids=range(14),
    )
    async def test_what_claims_to_be_an_svid_and_is_none_is_refused(self, client: Issued) -> None:
        assert await refused(await with_role(allowed_uri_sans="spiffe://td/*,*"), client)

    @given(st.text(max_size=60) | st.from_regex(r"spiffe://[a-z.]+(/[a-z.]*)+", fullmatch=True))
    def test_a_trust_domain_comes_of_whole_ids_only(self, text: str) -> None:
        try:
            domain = domain_of(text)
        except SvidError:
            return
        assert text.startswith(f"spiffe://{domain}/")
        assert not {"", ".", ".."} & set(text.removeprefix(f"spiffe://{domain}/").split("/"))


class TestRevocation:
    async def test_a_revoked_certificate_is_refused(self) -> None:
        mount = await with_role()
        other = BETWEEN.issue("other")
        await mount.write("crls/Between", crl=BETWEEN.revoke(WEB))

        assert "revoked" in await refused(mount, WEB)
        assert (await let_in(mount, other)).alias == "other"

        await mount.write("crls/between", crl=BETWEEN.revoke(other))

        assert (await let_in(mount, WEB)).alias == "web"
        assert "revoked" in await refused(mount, other)

        await mount.delete("crls/between")

        assert (await let_in(mount, other)).alias == "other"

    async def test_so_is_a_chain_with_a_revoked_authority(self) -> None:
        mount = await with_role()
        await mount.write("crls/root", crl=ROOT.revoke(BETWEEN))

        assert "revoked" in await refused(mount, WEB)

    async def test_a_client_named_itself_can_be_revoked(self) -> None:
        own = alone("lone", CLIENT)
        mount = await with_role(own.pem)
        await mount.write("crls/own", crl=own.revoke(own))

        assert "revoked" in await refused(mount, own)

    async def test_a_list_counts_for_its_issuer_only(self) -> None:
        mount, other = await with_role(), root("other")
        await mount.write("crls/other", crl=other.revoke(WEB))  # the same serial number

        assert (await let_in(mount, WEB)).alias == "web"

    async def test_a_list_that_has_ended_keeps_everybody_out(self) -> None:
        mount = await with_role()
        await mount.write("crls/between", crl=BETWEEN.revoke(BETWEEN.issue("x")))
        assert (await let_in(mount, WEB)).alias == "web"

        mount.at += 5.5 * 86_400

        assert "has ended" in await refused(mount, WEB)
        assert (await mount.read("crls/between"))["expired"] is True

        await mount.write("config", accept_expired_crls=True)
        assert (await let_in(mount, WEB)).alias == "web"

        await mount.write("config", accept_expired_crls=False)
        newer = BETWEEN.revoke(starts=NOW + 5 * DAY, ends=NOW + 9 * DAY)
        await mount.write("crls/newer", crl=newer)
        assert (await let_in(mount, WEB)).alias == "web"

    async def test_an_old_list_is_taken_with_a_warning(self) -> None:
        mount = await with_role()
        await mount.write("crls/old", crl=BETWEEN.revoke(WEB, ends=NOW - timedelta(hours=1)))

        assert "has ended" in mount.warnings[0]
        assert "revoked" in await refused(mount, WEB)

    async def test_a_list_is_shown_and_listed(self) -> None:
        mount = await with_role()
        await mount.write("crls/B", crl=BETWEEN.revoke(WEB))

        assert await mount.list("crls") == {"keys": ["b"]}
        assert await mount.read("crls/b") == {
            "cdp": None,
            "serials": {str(WEB.certificate.serial_number): {}},
            "issuer": "CN=between",
            "this_update": "2025-12-31T00:00:00Z",
            "next_update": "2026-01-06T00:00:00Z",
            "expired": False,
        }
        with pytest.raises(NotFoundError):
            await mount.read("crls/other")
        with pytest.raises(NotFoundError):
            await mount.delete("crls/other")

    async def test_a_list_may_come_as_der(self) -> None:
        mount = await with_role()
        pem = BETWEEN.revoke(WEB)
        await mount.write("crls/b", crl="".join(pem.splitlines()[1:-1]))

        assert "revoked" in await refused(mount, WEB)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({}, "crl"),
            ({"url": "http://127.0.0.1/crl"}, "url"),
            ({"crl": "junk"}, "crl"),
            ({"crl": "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----"}, "crl"),
            ({"crl": b64encode(b"\x30\x03\x02\x01").decode()}, "crl"),
            ({"crl": ROOT.pem}, "crl"),
            ({"crl": "A" * 2_000_000}, "larger"),
            ({"crl": "ü"}, "crl"),
            ({"crl": 5}, "crl"),
            ({"crl": {}}, "crl"),
            ({"crl": ROOT.revoke(extensions=[x509.DeltaCRLIndicator(1)])}, "delta"),
            (
                {
                    "crl": ROOT.revoke(
                        extensions=[
                            x509.IssuingDistributionPoint(
                                None, None, False, False, None, True, False
                            )
                        ]
                    )
                },
                "other issuers",
            ),
            ({"crl": ROOT.revoke(extensions=[text("1.2.3.4", "x")])}, "critical"),
        ],
        ids=range(13),
    )
    async def test_what_is_no_list_is_refused(
        self, fields: dict[str, object], message: str
    ) -> None:
        mount = await with_role()

        with pytest.raises(InputError, match=message):
            await mount.write("crls/b", **fields)
        assert not [key for key in mount.store.records if key.startswith("crl")]


class TestRenewal:
    async def test_the_certificate_is_judged_again(self) -> None:
        mount = await with_role()
        proof = await let_in(mount, WEB)

        assert (await renewed(mount, proof)).token_policies == ("deploy",)

        mount.certificates = ()
        assert "no client certificate" in await not_renewed(mount, proof)
        mount.certificates = WEB.chain
        await mount.write("crls/b", crl=BETWEEN.revoke(WEB))
        assert "revoked" in await not_renewed(mount, proof)
        await mount.delete("crls/b")
        mount.at += 11 * 86_400
        assert "not valid" in await not_renewed(mount, proof)

    async def test_another_of_the_same_issuer_and_identity_will_do(self) -> None:
        mount = await with_role()
        proof = await let_in(mount, WEB)
        mount.certificates = BETWEEN.issue("web").chain
        assert await renewed(mount, proof)

        for other in (
            BETWEEN.issue("other"),
            ROOT.issue("web"),
            ROOT.issue("between", authority=True).issue("web"),
        ):
            mount.certificates = other.chain
            assert "another certificate" in await not_renewed(mount, proof)

    async def test_a_role_that_is_gone_or_changed_renews_nothing(self) -> None:
        mount = await with_role()
        proof = await let_in(mount, WEB)
        await mount.write("certs/web", allowed_common_names="other")
        assert await not_renewed(mount, proof)
        await mount.delete("certs/web")
        assert await not_renewed(mount, proof)

    async def test_without_binding_expiry_and_revocation_still_count(self) -> None:
        mount = await with_role()
        proof = await let_in(mount, WEB)
        await mount.write("config", disable_binding=True)
        mount.certificates = ()

        assert await renewed(mount, proof)
        await mount.write("crls/b", crl=BETWEEN.revoke(WEB))
        assert "revoked" in await not_renewed(mount, proof)
        await mount.delete("crls/b")
        mount.at += 11 * 86_400
        assert "not valid" in await not_renewed(mount, proof)

    async def test_what_is_no_binding_renews_nothing(self) -> None:
        mount = await with_role()
        proof = await let_in(mount, WEB)
        for role in ("", "web", f"{proof.role} ", proof.role.replace("web ", "other ")):
            async with mount.call() as call:
                with pytest.raises(DeniedError):
                    await Cert().still_holds(call, role, proof.alias)

    @given(st.text(max_size=300))
    def test_a_binding_is_read_as_it_was_written_or_not_at_all(self, text: str) -> None:
        binding = Binding.of("web", leaf_of(WEB.certificate), (WEB.certificate,))

        assert Binding.read(binding.written()) == binding
        found = Binding.read(text)
        assert found is None or found.written() == text


class TestRoles:
    async def test_a_role_is_shown_as_vault_does(self) -> None:
        mount = await with_role(policies="p", ttl="1h", allowed_dns_sans="a,b")

        role = seen(await mount.read("certs/WEB"))

        assert await mount.list("certs") == {"keys": ["web"]}
        assert role["certificate"] == ROOT.pem
        assert role["display_name"] == "web"
        assert role["allowed_dns_sans"] == ["a", "b"]
        assert (role["token_ttl"], role["ttl"]) == (3600, 3600)
        assert (role["ocsp_enabled"], role["ocsp_servers_override"]) == (False, [])

    async def test_a_write_keeps_what_it_does_not_name(self) -> None:
        mount = await with_role(allowed_dns_sans="a", display_name="shown")
        await mount.write("certs/web", token_ttl=60)

        role = await mount.read("certs/web")

        assert (role["allowed_dns_sans"], role["display_name"]) == (["a"], "shown")

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"certificate": ""}, "certificate"),
            ({"certificate": "junk"}, "certificate"),
            ({"certificate": "ü"}, "certificate"),
            ({"certificate": "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")}, "cert"),
            ({"certificate": ROOT.pem.replace("M", "A")}, "certificate"),
            ({"certificate": ROOT.pem * 400}, "certificate"),
            ({"certificate": ROOT.pem * 65}, "64"),
            ({"certificate": 5}, "certificate"),
            ({"certificate": [ROOT.pem]}, "certificate"),
            ({"ocsp_enabled": True}, "ocsp_enabled"),
            ({"ocsp_ca_certificates": "x"}, "ocsp_ca_certificates"),
            ({"ocsp_servers_override": "x"}, "ocsp_servers_override"),
            ({"ocsp_fail_open": True}, "ocsp_fail_open"),
            ({"ocsp_query_all_servers": True}, "ocsp_query_all_servers"),
            ({"required_extensions": "1.2.3.4"}, "oid:pattern"),
            ({"required_extensions": "1.2.x:y"}, "oid:pattern"),
            ({"allowed_metadata_extensions": "name"}, "OID"),
            ({"allowed_dns_sans": ["x"] * 257}, "256"),
            ({"allowed_dns_sans": "x" * 513}, "512"),
            ({"token_ttl": "2h", "token_max_ttl": "1h"}, "token_max_ttl"),
            ({"token_policies": "root"}, "root"),
            ({"allowed_names": {"a": "b"}}, "allowed_names"),
        ],
        ids=range(22),
    )
    async def test_what_cannot_be_is_refused(self, fields: dict[str, object], message: str) -> None:
        mount = await with_role()
        before = await mount.read("certs/web")

        with pytest.raises(InputError, match=message):
            await mount.write("certs/web", **fields)
        assert await mount.read("certs/web") == before

    async def test_settings_are_shown_and_kept(self) -> None:
        mount = Mount(Cert())
        plain = {
            "disable_binding": False,
            "enable_identity_alias_metadata": False,
            "accept_expired_crls": False,
            "ocsp_cache_size": 100,
        }
        assert await mount.read("config") == plain

        await mount.write("config", disable_binding=True)
        await mount.write("config", ocsp_cache_size=100)

        assert await mount.read("config") == plain | {"disable_binding": True}
        with pytest.raises(InputError, match="ocsp_cache_size"):
            await mount.write("config", ocsp_cache_size=5)

    async def test_whoever_has_been_here_is_a_subject_of_what_decides(self) -> None:
        mount = await with_role()
        await let_in(mount, WEB)
        await let_in(mount, WEB)

        bound, _ = mount.routes.match("certs/web", Operation.WRITE)
        assert bound.route.subjects is not None
        async with mount.call() as call:
            assert await bound.route.subjects(call, None) == ("web",)


class TestReading:
    """Whatever bytes come, a decoder answers with its own error or not at all."""

    @given(st.binary(max_size=400))
    def test_text_is_read_of_one_string_only(self, der: bytes) -> None:
        found = text_of(der)

        assert found is None or len(found) <= len(der) - 2

    @pytest.mark.parametrize(
        ("der", "expected"),
        [
            (b"\x0c\x01a", "a"),
            (b"\x13\x00", ""),
            (b"\x1e\x02\0a", "a"),
            (b"\x0c\x81\x80" + b"a" * 128, "a" * 128),
            (b"\x0c\x81\x01a", None),
            (b"\x0c\x82\x00\x80" + b"a" * 128, None),
            (b"\x0c\x80", None),
            (b"\x0c\xff", None),
            (b"\x0c\x02a", None),
            (b"\x0c\x01ab", None),
            (b"\x0c\x01\xff", None),
            (b"\x04\x01a", None),
            (b"", None),
        ],
    )
    def test_text_is_der(self, der: bytes, expected: str | None) -> None:
        assert text_of(der) == expected

    @given(st.data())
    def test_a_spoilt_certificate_is_an_input_error_or_read(self, data: st.DataObject) -> None:
        der = _spoilt(data, WEB.der)

        with suppress(InputError):
            leaf_of(shown([der])[0])

    @given(st.data())
    def test_a_spoilt_list_is_an_input_error_or_read(self, data: st.DataObject) -> None:
        spoilt = _spoilt(data, REVOKED)

        with suppress(InputError):
            read_list(spoilt)
            serials(spoilt)

    @given(st.binary(max_size=200))
    def test_junk_is_no_certificate(self, junk: bytes) -> None:
        with pytest.raises(InputError):
            shown([junk])
        with pytest.raises(InputError):
            authorities(junk.decode("latin-1"))

    async def test_what_is_refused_says_the_same(self) -> None:
        assert Cert().login().refused == REFUSED


def _spoilt(data: st.DataObject, der: bytes) -> bytes:
    changed = bytearray(der)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)
