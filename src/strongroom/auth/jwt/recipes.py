"""Ready roles for the services whose workloads come most, with the bindings that they need.

A recipe takes what is to get in by the service's own names, refuses what would let in others, and
writes an ordinary role: it can be read, changed and deleted as one.

Specs   The claims are those that each service documents for its OIDC tokens; SPIFFE JWT-SVID.
Differs Recipes are ours: OpenBao has none.
Trust   What a recipe does not know of a service, it does not check: who may start a job in the
        repository that is bound, or use the environment, is decided there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final

from strongroom.auth.jwt.issuers import GITHUB
from strongroom.auth.jwt.roles import ROLE, OfRole, Role, store_role
from strongroom.base.errors import InputError
from strongroom.sdk.auth import TokenRules
from strongroom.sdk.engine import Call, Endpoint, Help, Nothing, Reply, Route
from strongroom.sdk.workloads import known_aliases

_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_PROJECT: Final = re.compile(r"[\w.-]+(?:/[\w.-]+)+", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KUBERNETES: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}")
_SPIFFE_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._-]+)*(?:/\*)?")
Made = tuple[Mapping[str, Any], Mapping[str, Any]]  # fields of the role, claims it binds


@dataclass(frozen=True, kw_only=True)
class Recipe(OfRole, TokenRules):
    """What every recipe takes: the role's name, its tokens, and the audience."""

    audience: Annotated[str, Help("What `aud` must hold.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class GitHubActions(Recipe):
    """A job of GitHub Actions."""

    repository: Annotated[str, Help("owner/name; what the job belongs to.")] = ""
    environment: Annotated[str, Help("Deployment environment of the job.")] = ""
    ref: Annotated[str, Help("refs/heads/main, say; what the job runs for.")] = ""
    workflow_ref: Annotated[str, Help("The workflow's own file and ref.")] = ""

    def made(self, warnings: list[str]) -> Made:
        """Return the role."""
        if not self.repository:
            and_so = " and an environment alone is anybody's to name" if self.environment else ""
            raise InputError(
                "repository",
                "required: everybody at GitHub gets tokens of the same issuer, for any"
                f" audience,{and_so or ' so a role that binds no repository lets them in'}",
            )
        _fits("repository", self.repository, _REPOSITORY, "owner/name, without wildcards")
        if not (self.environment or self.ref or self.workflow_ref):
            warnings.append(
                "neither environment, ref nor workflow_ref is bound: a job of any branch gets in"
            )
        names = ("repository", "environment", "ref", "workflow_ref")
        return {"user_claim": "sub"}, _sent(self, names)


@dataclass(frozen=True, kw_only=True)
class GitLabCi(Recipe):
    """A job of GitLab CI (`id_tokens`)."""

    project_path: Annotated[str, Help("group/project; what the job belongs to.")] = ""
    ref: Annotated[str, Help("Branch or tag.")] = ""
    ref_type: Annotated[str, Help("Which of them.", choices=("", "branch", "tag"))] = ""
    environment: Annotated[str, Help("Deployment environment of the job.")] = ""
    protected: Annotated[bool, Help("Only for protected refs.")] = True

    def made(self, _warnings: list[str]) -> Made:
        """Return the role."""
        if not self.project_path:
            raise InputError(
                "project_path", "required: every project of the instance has the same issuer"
            )
        _fits("project_path", self.project_path, _PROJECT, "group/project, without wildcards")
        if self.ref and not self.ref_type:
            raise InputError("ref_type", "required with ref: a tag may be called as a branch is")
        bound = _sent(self, ("project_path", "ref", "ref_type", "environment"))
        if self.protected:  # of GitLab's claims this one is text
            bound |= {"ref_protected": "true"}
        return {"user_claim": "sub"}, bound


@dataclass(frozen=True, kw_only=True)
class CircleCi(Recipe):
    """A job of CircleCI."""

    project_id: Annotated[str, Help("The project's UUID.")] = ""
    context_id: Annotated[str, Help("UUID of a context that the job must use.")] = ""

    def made(self, _warnings: list[str]) -> Made:
        """Return the role."""
        _fits("project_id", self.project_id, _UUID, "a UUID: a whole organisation is one issuer")
        bound = {"oidc.circleci.com/project-id": self.project_id}
        if self.context_id:
            _fits("context_id", self.context_id, _UUID, "a UUID")
            bound["oidc.circleci.com/context-ids"] = self.context_id
        return {"user_claim": "sub"}, bound


@dataclass(frozen=True, kw_only=True)
class Kubernetes(Recipe):
    """A pod with a projected token of its service account."""

    namespace: Annotated[str, Help("The service account's namespace.")] = ""
    service_account: Annotated[str, Help("The service account.")] = ""

    def made(self, _warnings: list[str]) -> Made:
        """Return the role."""
        for name in ("namespace", "service_account"):
            _fits(name, getattr(self, name), _KUBERNETES, "the name of one, without wildcards")
        subject = f"system:serviceaccount:{self.namespace}:{self.service_account}"
        role = {"user_claim": "sub", "bound_subject": subject}
        return role, {"/kubernetes.io/namespace": self.namespace}


@dataclass(frozen=True, kw_only=True)
class Spiffe(Recipe):
    """A workload with a JWT-SVID."""

    trust_domain: Annotated[str, Help("The trust domain, without spiffe://.")] = ""
    path: Annotated[str, Help("Path of the SPIFFE id; a last /* takes all below.")] = ""

    def made(self, _warnings: list[str]) -> Made:
        """Return the role."""
        _fits("trust_domain", self.trust_domain, _TRUST_DOMAIN, "the name of a trust domain")
        _fits("path", self.path, _SPIFFE_PATH, "the path of a SPIFFE id, with its first slash")
        if self.path in {"", "/*"}:
            raise InputError("path", "required: all of a trust domain is more than a role is for")
        return {"user_claim": "sub", "bound_claims_type": "glob"}, {
            "sub": f"spiffe://{self.trust_domain}{self.path}"
        }


_ALL: Final[Mapping[str, tuple[type[Recipe], str]]] = {
    "github-actions": (GitHubActions, f"A job of GitHub Actions ({GITHUB})."),
    "gitlab-ci": (GitLabCi, "A job of GitLab CI."),
    "circleci": (CircleCi, "A job of CircleCI."),
    "kubernetes": (Kubernetes, "A pod, by its service account's projected token."),
    "spiffe": (Spiffe, "A workload, by its JWT-SVID."),
}


def recipe_routes() -> tuple[Route, ...]:
    """Return the list of recipes, and a path for each."""
    listed = Route(
        path="recipes",
        summary="The services that there are ready roles for.",
        list=Endpoint(Nothing, _list, "jwt.recipe.list"),
    )
    return (listed, *(_route(name, given, said) for name, (given, said) in _ALL.items()))


def _route(name: str, given: type[Recipe], said: str) -> Route:
    return Route(
        path=f"recipes/{name}/{{name}}",
        summary=f"Write a role: {said}",
        write=Endpoint(given, _writer(name), "jwt.role.write"),
        subjects=known_aliases,
        opens=ROLE,
    )


async def _list(_call: Call, _given: Nothing) -> Reply:
    return Reply({"keys": sorted(_ALL)})


def _writer(recipe: str) -> Callable[[Call, Any], Any]:
    async def write(call: Call, given: Any) -> Reply:
        if not given.audience:
            raise InputError("audience", "required: a token is for somebody, and this is you")
        role, bound = given.made(call.warnings)
        rules = {each.name: getattr(given, each.name) for each in fields(TokenRules)}
        made = Role(
            **rules,
            **role,
            role_type="jwt",
            bound_audiences=(given.audience,),
            bound_claims=bound,
            claim_mappings=_KEPT.get(recipe, {}),
        )
        await store_role(call, given.name, made)
        return Reply({"name": given.name.lower(), "bound_claims": bound, **role})

    return write


_KEPT: Final[Mapping[str, Mapping[str, str]]] = {
    "github-actions": {"repository": "repository", "ref": "ref", "run_id": "run_id"},
    "gitlab-ci": {"project_path": "project_path", "ref": "ref", "job_id": "job_id"},
    "circleci": {"oidc.circleci.com/project-id": "project_id"},
    "kubernetes": {"/kubernetes.io/pod/name": "pod"},
}


def _sent(given: object, names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if "*" in getattr(given, name):
            raise InputError(name, "a recipe binds one value; write a role for patterns")
    return {name: value for name in names if (value := getattr(given, name))}


def _fits(name: str, text: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(text):
        raise InputError(name, f"expected {expected}")
