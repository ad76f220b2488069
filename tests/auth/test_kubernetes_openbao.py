"""The Kubernetes method beside OpenBao, and over HTTP with hvac against a stand-in cluster."""

from __future__ import annotations

from pathlib import Path

import hvac
import pytest
from hvac.exceptions import InvalidRequest

from strongroom.auth.kubernetes import Kubernetes
from strongroom.core.web import HttpWeb
from strongroom.testing.mount import Mount
from tests import servers
from tests.auth.cluster import REVIEWER, cluster, unsigned
from tests.auth.issuing import root
from tests.auth.side_by_side import Ours, Step, Theirs, compared
from tests.oracles.openbao import OpenBao

CA = root().pem
APP = "role/App"
BOUND = {"bound_service_account_names": "a", "bound_service_account_namespaces": "b"}
CONFIG = {"kubernetes_host": "https://127.0.0.1:1", "kubernetes_ca_cert": CA}

SCRIPT = (
    Step("GET", "config"),
    Step("POST", "config", {}),
    Step("POST", "config", {"kubernetes_host": "https://c.example", "disable_local_ca_jwt": True}),
    Step("POST", "config", CONFIG | {"pem_keys": "junk"}),
    Step("POST", "config", CONFIG | {"disable_local_ca_jwt": True, "token_reviewer_jwt": "x"}),
    Step("LIST", "role"),
    Step("GET", APP),
    Step("POST", APP, {}),
    Step("POST", APP, {"bound_service_account_names": "a"}),
    Step("POST", APP, BOUND),
    Step("GET", APP),
    Step("LIST", "role"),
    Step(
        "POST",
        APP,
        BOUND
        | {
            "bound_service_account_names": "a,b*",
            "audience": "vault",
            "alias_name_source": "serviceaccount_name",
            "policies": "p",
            "ttl": "5m",
            "max_ttl": "10m",
            "period": "60",
        },
    ),
    Step("GET", APP),
    Step("POST", APP, {"token_ttl": "1m"}),
    Step("GET", APP),
    Step("POST", APP, {"bound_service_account_names": "*,a"}),
    Step("POST", APP, {"bound_service_account_namespaces": "*,a"}),
    Step("POST", APP, {"alias_name_source": "pod"}),
    Step("POST", APP, {"token_ttl": "2h", "token_max_ttl": "1h"}),
    Step("POST", "login", {}, login=True),
    Step("POST", "login", {"role": "app"}, login=True),
    Step("POST", "login", {"jwt": "x"}, login=True),
    Step("DELETE", APP),
    Step("DELETE", APP),
    Step("GET", APP),
)


@pytest.mark.slow
async def test_kubernetes_answers_as_openbao_does(openbao: OpenBao, tmp_path: Path) -> None:
    theirs = Theirs(openbao, "kubernetes", "side-by-side-kubernetes")

    await compared(theirs, Ours(Mount(Kubernetes(HttpWeb(), tmp_path))), SCRIPT)


def test_hvac_logs_a_pod_in_and_nobody_else(tmp_path: Path) -> None:
    with cluster(tmp_path) as api, servers.strongroom() as server:
        client = hvac.Client(url=server.address, token=server.root)
        client.sys.enable_auth_method("kubernetes")
        client.auth.kubernetes.configure(
            kubernetes_host=api.url,
            kubernetes_ca_cert=api.authorities,
            token_reviewer_jwt=REVIEWER,
            disable_local_ca_jwt=True,
        )
        client.auth.kubernetes.create_role(
            name="app",
            bound_service_account_names=["app"],
            bound_service_account_namespaces=["payments"],
            audience="vault",
            policies=["default"],
        )
        pod = hvac.Client(url=server.address)
        token = api.token("payments", "app", "uid-9", audiences=["vault"])

        auth = pod.auth.kubernetes.login(role="app", jwt=token)["auth"]

        assert auth["lease_duration"] == 900
        assert auth["metadata"]["service_account_uid"] == "uid-9"
        entity = client.secrets.identity.read_entity(auth["entity_id"])["data"]
        assert entity["aliases"][0]["name"] == "uid-9"
        assert pod.auth.token.renew_self()["auth"]["lease_duration"] == 900
        said = set()
        for role, jwt in (("app", unsigned()), ("none", token), ("app", "x")):
            with pytest.raises(InvalidRequest) as caught:
                hvac.Client(url=server.address).auth.kubernetes.login(role=role, jwt=jwt)
            said.add(str(caught.value).partition(", on")[0])
        assert said == {"permission denied"}
        client.auth.kubernetes.delete_role("app")
        with pytest.raises(hvac.exceptions.Forbidden):
            pod.auth.token.renew_self()
        client.adapter.close()
        pod.adapter.close()
