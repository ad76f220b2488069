"""Ready roles: each lets in what it is for, and refuses to be written for more than that."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.auth.jwt import JwtAuth
from strongroom.auth.jwt.issuers import CIRCLECI, GITHUB, GITLAB
from strongroom.base.errors import DeniedError, InputError
from strongroom.base.secret import Secret
from strongroom.testing.mount import Mount
from tests.auth.jwt_issuer import Issuer, claims, pem, signed

PROJECT = "0d3b2a50-6a43-4c4d-9a3c-5f2f4d5f9d10"
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # recipe: what it is given, claims that get in, and what of them changed keeps out
    "github-actions": (
        {"repository": "acme/app", "environment": "production"},
        {
            "iss": GITHUB,
            "sub": "repo:acme/app:environment:production",
            "repository": "acme/app",
            "environment": "production",
            "ref": "refs/heads/main",
            "run_id": "7",
        },
        {"repository": "evil/app", "environment": "staging", "aud": "https://github.com/acme"},
    ),
    "gitlab-ci": (
        {"project_path": "acme/team/app", "ref": "main", "ref_type": "branch"},
        {
            "iss": GITLAB,
            "sub": "project_path:acme/team/app:ref_type:branch:ref:main",
            "project_path": "acme/team/app",
            "ref": "main",
            "ref_type": "branch",
            "ref_protected": "true",
        },
        {"project_path": "evil/app", "ref_type": "tag", "ref_protected": "false", "ref": "x"},
    ),
    "circleci": (
        {"project_id": PROJECT},
        {
            "iss": f"{CIRCLECI}org-id",
            "sub": f"org/x/project/{PROJECT}/user/y",
            "oidc.circleci.com/project-id": PROJECT,
        },
        {"oidc.circleci.com/project-id": PROJECT.replace("0", "1")},
    ),
    "kubernetes": (
        {"namespace": "payments", "service_account": "api"},
        {
            "iss": "https://kubernetes.default.svc",
            "sub": "system:serviceaccount:payments:api",
            "kubernetes.io": {"namespace": "payments", "pod": {"name": "api-1"}},
        },
        {"sub": "system:serviceaccount:payments:other", "kubernetes.io": {"namespace": "x"}},
    ),
    "spiffe": (
        {"trust_domain": "prod.acme.example", "path": "/ns/payments/*"},
        {"iss": None, "sub": "spiffe://prod.acme.example/ns/payments/api"},
        {"sub": "spiffe://prod.acme.example.evil/ns/payments/api"},
    ),
}


@pytest.fixture
async def mount() -> Mount:
    made = Mount(JwtAuth(Issuer()))
    await made.write("config", jwt_validation_pubkeys=[pem("ES256")])
    return made


async def enters(mount: Mount, found: dict[str, Any]) -> str:
    token = Secret(signed(claims(aud="strongroom") | {k: v for k, v in found.items() if v}))
    return (await mount.login(role="job", jwt=token)).alias


@pytest.mark.parametrize(("recipe", "case"), CASES.items(), ids=CASES.keys())
async def test_a_recipe_lets_in_what_it_is_for(mount: Mount, recipe: str, case: Any) -> None:
    given, found, changes = case
    await mount.write(
        f"recipes/{recipe}/Job", audience="strongroom", token_policies="deploy", **given
    )

    assert await enters(mount, found) == found["sub"]
    for name, value in changes.items():
        with pytest.raises(DeniedError):
            await enters(mount, found | {name: value})
        if name != "sub":
            with pytest.raises(DeniedError):
                await enters(mount, found | {name: None} | ({"aud": "x"} if name == "aud" else {}))


@pytest.mark.parametrize(("recipe", "case"), CASES.items(), ids=CASES.keys())
async def test_what_it_writes_is_an_ordinary_role(mount: Mount, recipe: str, case: Any) -> None:
    await mount.write(f"recipes/{recipe}/job", audience="a", token_policies="deploy", **case[0])
    data = await mount.read("role/job")

    assert (data["role_type"], data["bound_audiences"]) == ("jwt", ["a"])
    assert data["token_policies"] == ["deploy"]
    assert data["bound_claims"]


async def test_all_recipes_are_listed(mount: Mount) -> None:
    assert await mount.list("recipes") == {"keys": sorted(CASES)}


@pytest.mark.parametrize(
    ("recipe", "given", "why"),
    [
        ("github-actions", {}, "binds no repository lets them in"),
        ("github-actions", {"environment": "production"}, "an environment alone is anybody's"),
        ("github-actions", {"ref": "refs/heads/main"}, "binds no repository"),
        ("github-actions", {"repository": "acme/*"}, "owner/name, without wildcards"),
        ("github-actions", {"repository": "acme"}, "owner/name"),
        ("github-actions", {"repository": "acme/app", "ref": "refs/*"}, "binds one value"),
        ("gitlab-ci", {}, "every project of the instance has the same issuer"),
        ("gitlab-ci", {"project_path": "acme"}, "group/project"),
        ("gitlab-ci", {"project_path": "acme/*"}, "without wildcards"),
        ("gitlab-ci", {"project_path": "acme/app", "ref": "main"}, "required with ref"),
        ("circleci", {}, "a whole organisation is one issuer"),
        ("circleci", {"project_id": "*"}, "UUID"),
        ("kubernetes", {"namespace": "payments"}, "service_account"),
        ("kubernetes", {"service_account": "api"}, "namespace"),
        ("kubernetes", {"namespace": "*", "service_account": "api"}, "without wildcards"),
        ("kubernetes", {"namespace": "a:b", "service_account": "api"}, "without wildcards"),
        ("spiffe", {"trust_domain": "x"}, "all of a trust domain"),
        ("spiffe", {"trust_domain": "x", "path": "/*"}, "all of a trust domain"),
        ("spiffe", {"trust_domain": "*", "path": "/a"}, "trust domain"),
        ("spiffe", {"trust_domain": "x", "path": "a"}, "first slash"),
        ("spiffe", {"trust_domain": "x", "path": "/a*"}, "path of a SPIFFE id"),
    ],
)
async def test_what_would_let_in_others_is_refused(
    mount: Mount, recipe: str, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        await mount.write(f"recipes/{recipe}/job", audience="a", **given)


async def test_a_recipe_needs_an_audience(mount: Mount) -> None:
    with pytest.raises(InputError, match="audience"):
        await mount.write("recipes/spiffe/job", trust_domain="x", path="/a")


async def test_a_job_of_any_branch_is_warned_of(mount: Mount) -> None:
    await mount.write("recipes/github-actions/job", audience="a", repository="acme/app")

    assert mount.warnings == (
        "neither environment, ref nor workflow_ref is bound: a job of any branch gets in",
    )


# -- roles that are written by hand, for issuers that sign for everybody ---------------------------


@pytest.mark.parametrize(
    ("issuer", "bound", "held"),
    [
        (GITHUB, {}, False),
        (GITHUB, {"environment": "production"}, False),
        (GITHUB, {"ref": "refs/heads/main"}, False),
        (GITHUB, {"repository": "acme/*"}, True),
        (GITHUB, {"repository": "*/app"}, False),
        (GITHUB, {"repository": "a*"}, False),
        (GITHUB, {"repository": ["acme/app", "*e"]}, False),
        (GITHUB, {"repository_id": "1234"}, True),
        (GITHUB, {"repository_owner": "acme"}, False),
        (GITHUB, {"repository_owner": "acme", "environment": "production"}, True),
        (GITHUB, {"sub": "repo:acme/app:*"}, True),
        (GITHUB, {"sub": "repo:*"}, False),
        (GITHUB, {"sub": "repo:acme*"}, False),
        (GITLAB, {}, False),
        (GITLAB, {"ref": "main"}, False),
        (GITLAB, {"project_path": "acme/app"}, True),
        (GITLAB, {"namespace_path": "acme"}, True),
        (GITLAB, {"sub": "project_path:acme/app:*"}, True),
        (f"{CIRCLECI}x", {}, False),
        (f"{CIRCLECI}x", {"oidc.circleci.com/project-id": PROJECT}, True),
        ("https://gitlab.acme.example", {}, True),
    ],
)
async def test_a_role_for_a_shared_issuer_binds_whose_job_it_is(
    issuer: str, bound: dict[str, Any], held: bool
) -> None:
    mount = Mount(JwtAuth(Issuer()))
    keys = {"jwt_validation_pubkeys": [pem("ES256")]}
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": "strongroom",
        "bound_claims_type": "glob",
        "bound_claims": bound,
    }
    await mount.write("role/job", **role)
    await mount.write("config", **keys)
    found = {k: v[0] if isinstance(v, list) else v for k, v in bound.items()}
    if held:
        assert await enters(mount, {"iss": issuer, **found}) == found.get("sub", "app")
    else:
        with pytest.raises(DeniedError, match="a role for"):
            await enters(mount, {"iss": issuer, **found})

    await mount.write("config", **keys, bound_issuer=issuer)
    if held:
        await mount.write("role/job", **role)
    else:
        with pytest.raises(InputError, match="a role for"):
            await mount.write("role/job", **role)
