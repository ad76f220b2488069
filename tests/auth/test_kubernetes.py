"""The Kubernetes method against a stand-in for a cluster's API, over real TLS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.auth.kubernetes import Kubernetes
from strongroom.auth.kubernetes.records import Bound
from strongroom.auth.kubernetes.review import ReviewError, account_of
from strongroom.base.errors import DeniedError, InputError, NotFoundError, UpstreamError
from strongroom.base.globs import matches
from strongroom.core.web import HttpWeb
from strongroom.sdk.auth import Proof
from strongroom.sdk.web import Response
from strongroom.sdk.workloads import LONGEST, SHORT
from strongroom.testing.mount import Mount
from tests.auth.cluster import REVIEWER, Cluster, cluster, unsigned


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def api(running: Cluster) -> Cluster:
    running.accounts.clear()
    running.asked.clear()
    running.bearers.clear()
    running.says = None
    return running


async def mounted(api: Cluster, pod: Path = Path("/nonexistent"), **settings: Any) -> Mount:
    mount = Mount(Kubernetes(HttpWeb(), pod))
    config = {
        "kubernetes_host": api.url,
        "kubernetes_ca_cert": api.authorities,
        "token_reviewer_jwt": REVIEWER,
        "disable_local_ca_jwt": True,
    }
    await mount.write("config", **(config | settings))
    await mount.write(
        "role/app",
        bound_service_account_names="app,job-*",
        bound_service_account_namespaces="pay*",
        audience="vault",
        policies="deploy",
    )
    return mount


async def let_in(mount: Mount, token: str, role: str = "app") -> Proof:
    return await mount.login(role=role, jwt=token)


async def refused(mount: Mount, token: object, role: str = "app") -> str:
    with pytest.raises(DeniedError) as caught:
        await mount.login(role=role, jwt=token)
    return str(caught.value)


class TestLogins:
    async def test_a_service_account_of_the_role_gets_in(self, api: Cluster) -> None:
        mount = await mounted(api)
        token = api.token("payments", "app", "uid-7", audiences=["vault"])

        proof = await let_in(mount, token, "APP")

        assert (proof.alias, proof.shown_by, proof.workload) == ("uid-7", "service-account", True)
        assert proof.entrance == "app"
        assert proof.display == "payments-app"
        assert proof.metadata == {
            "service_account_uid": "uid-7",
            "service_account_name": "app",
            "service_account_namespace": "payments",
            "role": "app",
        }
        assert (proof.rules.token_ttl, proof.rules.token_max_ttl) == (SHORT, LONGEST)
        assert api.bearers == [REVIEWER]
        assert api.asked[0]["spec"] == {"token": token, "audiences": ["vault"]}

    async def test_it_may_be_known_by_its_name(self, api: Cluster) -> None:
        mount = await mounted(api)
        await mount.write("role/app", alias_name_source="serviceaccount_name", token_ttl="5m")

        proof = await let_in(mount, api.token("payments", "job-1", audiences=["vault", "x"]))

        assert proof.alias == "payments/job-1"
        assert proof.rules.token_ttl == timedelta(minutes=5)

    async def test_nobody_else_gets_in(self, api: Cluster) -> None:
        mount = await mounted(api)
        reasons = {
            await refused(mount, api.token("payments", "other", audiences=["vault"])),
            await refused(mount, api.token("billing", "app", audiences=["vault"])),
        }
        assert reasons == {"app: not for this service account"}
        assert "another audience" in await refused(mount, api.token("payments", "app"))
        assert "does not know" in await refused(mount, unsigned())
        good = api.token("payments", "app", audiences=["vault"])
        assert "no such role" in await refused(mount, good, "other")
        assert "no such role" in await refused(mount, good, "../app")
        mount.address = "10.0.0.1"
        await mount.write("role/app", token_bound_cidrs="192.0.2.0/24")
        assert "not from there" in await refused(mount, good)

    async def test_an_unknown_role_costs_a_question_too(self, api: Cluster) -> None:
        mount = await mounted(api)

        await refused(mount, unsigned(), "nobody")
        await refused(mount, unsigned(), "app")

        assert len(api.asked) == 2

    @pytest.mark.parametrize(
        "token",
        [
            "x",
            "a.b",
            "a.b.c.d",
            "a.b.c\r\nx: y",
            "a.b.ü",
            "a.b.c ",
            "a" * 20_000 + ".b.c",
            ".".join(["a" * 6_000] * 3),
        ],
    )
    async def test_what_is_no_token_is_not_asked_about(self, api: Cluster, token: str) -> None:
        mount = await mounted(api)

        assert await refused(mount, token) == "not a token"
        assert api.asked == []

    async def test_what_is_missing_is_said(self, api: Cluster) -> None:
        mount = await mounted(api)

        for fields in ({}, {"role": "app"}, {"jwt": "a.b.c"}, {"role": "", "jwt": "a.b.c"}):
            with pytest.raises(InputError, match="missing"):
                await mount.login(**fields)
        for fields in ({"role": ["app"], "jwt": "a.b.c"}, {"role": "app", "jwt": {}}):
            with pytest.raises(InputError):
                await mount.login(**fields)

    async def test_without_a_reviewer_the_token_asks_for_itself(self, api: Cluster) -> None:
        mount = await mounted(api, token_reviewer_jwt="")
        token = api.token("payments", "app", audiences=["vault"])

        assert await let_in(mount, token)
        assert api.bearers == [token]
        assert "401" in await refused(mount, unsigned())

    async def test_in_a_pod_the_pods_own_token_asks(self, api: Cluster, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(f"{REVIEWER}\n")
        (tmp_path / "ca.crt").write_text(api.authorities)
        local = {"token_reviewer_jwt": "", "kubernetes_ca_cert": "", "disable_local_ca_jwt": False}
        mount = await mounted(api, tmp_path, **local)

        assert await let_in(mount, api.token("payments", "app", audiences=["vault"]))
        assert api.bearers == [REVIEWER]

        (tmp_path / "token").write_text("ü")
        assert await let_in(mount, api.token("payments", "app", "u", audiences=["vault"]))
        assert api.bearers[-1] != REVIEWER

    async def test_the_signature_counts_where_keys_are_known(self, api: Cluster) -> None:
        mount = await mounted(api, pem_keys=[api.public_key])
        good = api.token("payments", "app", audiences=["vault"])
        api.accounts[unsigned()] = ("payments", "app", "uid-1")
        api.audiences[unsigned()] = ["vault"]
        api.asked.clear()

        assert await let_in(mount, good)
        assert "not signed" in await refused(mount, unsigned())
        head, body, signature = good.split(".")
        assert "not signed" in await refused(mount, f"{head}.{body}.{signature[::-1]}")
        assert len(api.asked) == 1

    async def test_a_mount_that_is_not_configured_lets_nobody_in(self) -> None:
        assert "not configured" in await refused(Mount(Kubernetes(HttpWeb())), "a.b.c")

    async def test_a_cluster_of_another_authority_is_not_asked(
        self, api: Cluster, tmp_path: Path
    ) -> None:
        with cluster(tmp_path) as other:
            mount = await mounted(api, kubernetes_ca_cert=other.authorities)
            with pytest.raises(UpstreamError) as caught:
                await let_in(mount, unsigned())
        assert api.bearers == []
        assert REVIEWER not in str(caught.value)

    async def test_a_cluster_that_is_not_there_is_said_for_every_role(self, api: Cluster) -> None:
        mount = await mounted(api, kubernetes_host="https://127.0.0.1:1")

        for role in ("app", "nobody"):
            with pytest.raises(UpstreamError):
                await let_in(mount, unsigned(), role)


class TestHostileAnswers:
    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            (200, b""),
            (200, b"junk"),
            (200, b"\xff\xfe"),
            (200, b"[]"),
            (200, b"null"),
            (200, b"[" * 5_000),
            (200, b"{}"),
            (200, b'{"kind": "TokenReview"}'),
            (200, b'{"kind": "Status", "status": {"authenticated": true}}'),
            (500, b'{"kind": "TokenReview", "status": {"authenticated": true}}'),
            (302, b""),
            *(
                (
                    201,
                    json.dumps({"kind": "TokenReview", "status": status}).encode(),
                )
                for status in (
                    "yes",
                    {"authenticated": "true"},
                    {"authenticated": 1},
                    {"authenticated": True},
                    {"authenticated": True, "user": {}},
                    *(
                        {
                            "authenticated": True,
                            "audiences": ["vault"],
                            "user": {"username": name, "uid": uid},
                        }
                        for name, uid in (
                            ("system:serviceaccount:payments:app", ""),
                            ("system:serviceaccount:payments:app", "u" * 129),
                            ("system:serviceaccount:payments:app", "u\n"),
                            ("system:serviceaccount:payments", "u"),
                            ("system:serviceaccount:payments:app:x", "u"),
                            ("system:serviceaccount:pay ments:app", "u"),
                            ("system:serviceaccount:payments:*", "u"),
                            ("system:serviceaccount:" + "p" * 64 + ":app", "u"),
                            ("system:node:payments:app", "u"),
                            ("kubernetes-admin", "u"),
                            ("SYSTEM:serviceaccount:payments:app", "u"),
                        )
                    ),
                    {
                        "authenticated": True,
                        "user": {"username": "system:serviceaccount:payments:app", "uid": "u"},
                    },
                    {
                        "authenticated": True,
                        "audiences": ["vaults"],
                        "user": {"username": "system:serviceaccount:payments:app", "uid": "u"},
                    },
                    {
                        "authenticated": True,
                        "audiences": "vault",
                        "user": {"username": "system:serviceaccount:payments:app", "uid": "u"},
                    },
                    {
                        "authenticated": True,
                        "audiences": ["vault"],
                        "user": {"username": ["system:serviceaccount:payments:app"], "uid": 5},
                    },
                )
            ),
        ],
    )
    async def test_an_answer_that_vouches_for_nobody_lets_nobody_in(
        self, api: Cluster, status: int, answer: bytes
    ) -> None:
        mount = await mounted(api)
        api.says = (status, answer)

        assert await refused(mount, unsigned())

    async def test_an_answer_that_is_too_long_is_cut_off(self, api: Cluster) -> None:
        mount = await mounted(api)
        api.says = (200, b" " * 100_000)

        with pytest.raises(UpstreamError):
            await let_in(mount, unsigned())

    @given(st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | st.text(), st.lists))
    def test_whatever_comes_is_an_account_or_refused(self, answer: Any) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

        with pytest.raises(ReviewError):
            account_of(Response(status=200, headers={}, body=body), "vault")


class TestRenewal:
    async def test_the_role_must_still_be_for_the_account(self, api: Cluster) -> None:
        mount = await mounted(api)
        proof = await let_in(mount, api.token("payments", "app", audiences=["vault"]))
        method = Kubernetes(HttpWeb())

        async def holds(role: str = proof.role, alias: str = proof.alias) -> object:
            async with mount.call() as call:
                return await method.still_holds(call, role, alias)

        assert await holds()
        for role in ("", "app", f"{proof.role} x", proof.role.replace("app", "gone", 1)):
            with pytest.raises(DeniedError):
                await holds(role)
        with pytest.raises(DeniedError):
            await holds(alias="other")
        await mount.write("role/app", bound_service_account_namespaces="billing")
        with pytest.raises(DeniedError):
            await holds()
        await mount.delete("role/app")
        with pytest.raises(DeniedError):
            await holds()

    @given(st.text(max_size=100))
    def test_whom_a_token_is_for_is_read_as_it_was_written(self, text: str) -> None:
        found = Bound.read(text)

        assert found is None or found.written() == text


class TestConfiguration:
    async def test_the_cluster_is_shown_without_the_reviewers_token(self, api: Cluster) -> None:
        mount = await mounted(api)

        assert await mount.read("config") == {
            "kubernetes_host": api.url,
            "kubernetes_ca_cert": api.authorities,
            "pem_keys": [],
            "disable_local_ca_jwt": True,
            "token_reviewer_jwt_set": True,
        }
        with pytest.raises(NotFoundError):
            await Mount(Kubernetes(HttpWeb())).read("config")

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"kubernetes_host": ""}, "no host"),
            ({"kubernetes_host": "http://cluster.example"}, "https"),
            ({"kubernetes_host": "ftp://cluster.example"}, "https"),
            ({"kubernetes_host": "https://user:pw@cluster.example"}, "https"),
            ({"kubernetes_host": "https://cluster.example/?x=y"}, "https"),
            ({"kubernetes_host": "https://"}, "https"),
            ({"kubernetes_host": "https://a:99999"}, "https"),
            ({"kubernetes_host": "https://a b"}, "https"),
            ({"kubernetes_host": "https://ü.example"}, "https"),
            ({"kubernetes_host": "https://[::1"}, "https"),
            ({"kubernetes_ca_cert": ""}, "kubernetes_ca_cert must be given"),
            ({"kubernetes_ca_cert": "junk"}, "PEM"),
            ({"kubernetes_ca_cert": "x" * 300_000}, "longer"),
            ({"pem_keys": "junk"}, "pem_keys"),
            ({"pem_keys": ["-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"]}, "pem"),
            ({"pem_keys": ["x"] * 17}, "16"),
            ({"token_reviewer_jwt": "a\nb"}, "token_reviewer_jwt"),
            ({"token_reviewer_jwt": "x" * 20_000}, "token_reviewer_jwt"),
            ({"disable_local_ca_jwt": "maybe"}, "disable_local_ca_jwt"),
        ],
    )
    async def test_a_cluster_that_cannot_be_asked_is_refused(
        self, api: Cluster, fields: dict[str, object], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            await mounted(api, **fields)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"bound_service_account_names": ""}, "can not be empty"),
            ({"bound_service_account_namespaces": []}, "can not be empty"),
            ({"bound_service_account_names": "*,a"}, "can not mix"),
            ({"bound_service_account_namespaces": ["*", "a"]}, "can not mix"),
            ({"bound_service_account_namespace_selector": '{"a": "b"}'}, "not supported"),
            ({"bound_service_account_names": ["a"] * 257}, "256"),
            ({"bound_service_account_names": "a" * 513}, "512"),
            ({"audience": "a" * 513}, "512"),
            ({"alias_name_source": "pod"}, "alias_name_source"),
            ({"token_policies": "root"}, "root"),
            ({"token_ttl": "2h", "token_max_ttl": "1h"}, "token_max_ttl"),
        ],
    )
    async def test_a_role_that_cannot_be_is_refused(
        self, api: Cluster, fields: dict[str, object], message: str
    ) -> None:
        mount = await mounted(api)
        before = await mount.read("role/app")

        with pytest.raises(InputError, match=message):
            await mount.write("role/app", **fields)
        assert await mount.read("role/app") == before

    async def test_a_role_is_shown_listed_and_deleted(self, api: Cluster) -> None:
        mount = await mounted(api)

        role = await mount.read("role/App")
        assert role["bound_service_account_names"] == ["app", "job-*"]
        assert (role["audience"], role["alias_name_source"]) == ("vault", "serviceaccount_uid")
        assert await mount.list("role") == {"keys": ["app"]}
        assert await mount.exists("role/app") is True

        await mount.delete("role/app")
        assert await mount.exists("role/app") is False
        with pytest.raises(NotFoundError):
            await mount.read("role/app")

    async def test_a_role_without_an_audience_is_warned_of(self, api: Cluster) -> None:
        mount = await mounted(api)
        await mount.write("role/app", audience="")

        assert any("audience" in each for each in mount.warnings)


class TestPatterns:
    @given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
    def test_a_pattern_fits_as_its_regular_expression_does(self, pattern: str, text: str) -> None:
        expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None

        assert matches(pattern, text) is expected

    @given(st.text(max_size=30))
    def test_a_text_fits_itself_and_what_leaves_it_open(self, text: str) -> None:
        assert matches("*", text)
        assert "*" in text or (matches(text, text) and matches(f"{text}*", text))

    def test_many_stars_take_no_time(self) -> None:
        assert matches("*a" * 2_000 + "b", "a" * 10_000) is False
