"""Issuers that sign tokens for strangers too: what a role must bind besides.

Everybody who has an account at such a service can make it sign a token for any audience. So an
audience, or a claim that anybody may set, keeps nobody out.

Trust   This knows a few services by name. Of any other issuer it is for whoever writes the role to
        know who can get its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from strongroom.auth.jwt.bindings import values

GITHUB: Final = "https://token.actions.githubusercontent.com"
GITLAB: Final = "https://gitlab.com"
CIRCLECI: Final = "https://oidc.circleci.com/org/"
_GITHUB_OWNED: Final = ("repository", "repository_id")
_GITHUB_OWNER: Final = ("repository_owner", "repository_owner_id")
_GITLAB_OWNED: Final = ("project_path", "project_id", "namespace_path", "namespace_id")


def unbound(issuer: str, bound: Mapping[str, Any], *, globs: bool) -> str | None:
    """Say why a role would let strangers in, or None. `bound` has the bound subject as `sub`."""
    if issuer == GITHUB:
        return _unbound_at_github(bound, globs=globs)
    if issuer == GITLAB:
        prefixed = _begins(bound, "sub", "project_path:", globs=globs)
        if prefixed or any(_is_bound(bound, name, globs=globs) for name in _GITLAB_OWNED):
            return None
        return "a role for GitLab must bind project_path, project_id or namespace_path"
    if issuer == "https://oidc.circleci.com" or issuer.startswith(CIRCLECI):
        prefixed = _begins(bound, "sub", "org/", globs=globs)
        if prefixed or _is_bound(bound, "oidc.circleci.com/project-id", globs=globs):
            return None
        return "a role for CircleCI must bind oidc.circleci.com/project-id"
    return None


def _unbound_at_github(bound: Mapping[str, Any], *, globs: bool) -> str | None:
    if any(_is_bound(bound, name, globs=globs) for name in _GITHUB_OWNED):
        return None
    if _begins(bound, "sub", "repo:", globs=globs):
        return None
    owned = any(_is_bound(bound, name, globs=globs) for name in _GITHUB_OWNER)
    if owned and _is_bound(bound, "environment", globs=globs):
        return None
    if _is_bound(bound, "environment", globs=globs):
        return (
            "a role for GitHub Actions that binds an environment must bind repository or"
            " repository_owner too: anybody may name an environment so"
        )
    return (
        "a role for GitHub Actions must bind repository, or repository_owner and environment:"
        " anybody at GitHub gets tokens of this issuer, for any audience"
    )


def _is_bound(bound: Mapping[str, Any], name: str, *, globs: bool) -> bool:
    """Say whether every value that is let in says who it is of before its first wildcard."""
    wanted = list(values(bound.get(name, [])))
    return bool(wanted) and all(_says_who(str(each), globs=globs) for each in wanted)


def _begins(bound: Mapping[str, Any], name: str, prefix: str, *, globs: bool) -> bool:
    wanted = [each for each in values(bound.get(name, [])) if isinstance(each, str)]
    return bool(wanted) and all(
        each.startswith(prefix) and _says_who(each.removeprefix(prefix), globs=globs)
        for each in wanted
    )


def _says_who(text: str, *, globs: bool) -> bool:
    """Say whether a value names an owner: all of it, or a whole first segment before a wildcard."""
    if not globs or "*" not in text:
        return bool(text)
    return bool(text.partition("*")[0].partition("/")[0]) and "/" in text.partition("*")[0]


def bindings_of(bound_claims: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """Return what a role binds, a bound subject among it."""
    return {**bound_claims, **({"sub": subject} if subject else {})}
