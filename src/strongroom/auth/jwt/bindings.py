"""What a role asks of claims: values that must be there, names to take, values to keep.

Vault   A claim is named as it stands, or by a JSON pointer where the name begins with a slash. A
        bound claim holds if one of its values equals one of the token's, a list counting as all
        that it holds; with globs `*` stands for any text.
Differs Numbers are compared as they are: OpenBao cuts them off at the point first. True is no 1.
        A value that a token says as an object or as null matches nothing.
Trust   What is missing, or is not of a kind that can be compared, does not hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from strongroom.base.globs import matches

LONGEST_VALUE: Final = 512
MOST_GROUPS: Final = 1_000


class ClaimsError(ValueError):
    """The claims are not what the role asks for; the words are for the log, and hold no claim."""


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by name, or by JSON pointer (RFC 6901); None where there is none."""
    if not name.startswith("/"):
        return claims.get(name)
    found: Any = claims
    for part in name[1:].split("/"):
        step = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isascii() and step.isdigit() and len(step) < 6:
            found = found[int(step)] if int(step) < len(found) else None
        else:
            return None
    return found


def values(value: object) -> list[Any]:
    """Return what can be compared of a value: itself, or what a list holds."""
    held = value if isinstance(value, list | tuple) else [value]
    return [each for each in held if isinstance(each, str | bool | int | float)]


def check_bound(bound: Mapping[str, Any], claims: Mapping[str, Any], *, globs: bool) -> None:
    """Raise ClaimsError unless every bound claim holds."""
    for name, wanted in bound.items():
        if not _holds(values(wanted), values(claim(claims, name)), globs=globs):
            raise ClaimsError(f"the bound claim {name} does not hold")


def _holds(wanted: Collection[Any], found: Collection[Any], *, globs: bool) -> bool:
    return any(_fits(one, other, globs=globs) for one in wanted for other in found)


def _fits(wanted: Any, found: Any, *, globs: bool) -> bool:
    if isinstance(wanted, str) and isinstance(found, str):
        return matches(wanted, found) if globs else wanted == found
    if globs or isinstance(wanted, str) or isinstance(found, str):
        return False
    return isinstance(wanted, bool) == isinstance(found, bool) and bool(wanted == found)


def check_audience(bound: Collection[str], claims: Mapping[str, Any]) -> None:
    """Raise ClaimsError unless one of the audiences is bound, or there are none of either."""
    found = claims.get("aud")
    audiences = [each for each in values(found) if isinstance(each, str)]
    if not bound and found in (None, [], ""):
        return
    if not bound:
        raise ClaimsError("the token is for an audience, and the role binds none")
    if not set(audiences) & set(bound):
        raise ClaimsError("the token is for another audience")


def name_of(claims: Mapping[str, Any], name: str, *, pointer: bool) -> str:
    """Return who the token is of; ClaimsError where that is no text that can be a name."""
    found = claim(claims, name) if pointer else claims.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_VALUE:
        raise ClaimsError("the user claim is no name")
    if not found.isprintable() or found != found.strip():
        raise ClaimsError("the user claim is no name")
    return found


def metadata_of(claims: Mapping[str, Any], mappings: Mapping[str, str]) -> dict[str, str]:
    """Return what the role keeps of the claims; those that are missing are left out."""
    kept: dict[str, str] = {}
    for source, target in mappings.items():
        found = claim(claims, source)
        if found is None:
            continue
        if not isinstance(found, str) or len(found) > LONGEST_VALUE or "\0" in found:
            raise ClaimsError(f"the claim {source} is no short text")
        kept[target] = found
    return kept


def groups_of(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the groups that the claims name; a role that asks for them needs the claim."""
    if not name:
        return ()
    found = claim(claims, name)
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or len(listed) > MOST_GROUPS:
        raise ClaimsError("the groups claim is no list of names")
    if not all(isinstance(each, str) and len(each) <= LONGEST_VALUE for each in listed):
        raise ClaimsError("the groups claim is no list of names")
    return tuple(dict.fromkeys(each for each in listed if each and "\0" not in each))


def factors_of(
    claims: Mapping[str, Any], acr: Collection[str], amr: Collection[str]
) -> tuple[str, ...]:
    """Return what of `acr` and `amr` the role takes as a further factor, each by its own name."""
    return tuple(dict.fromkeys(_factors(claims, acr, amr)))


def _factors(
    claims: Mapping[str, Any], acr: Collection[str], amr: Collection[str]
) -> Iterator[str]:
    if isinstance(said := claims.get("acr"), str) and said in acr:
        yield f"acr:{said}"
    for each in values(claims.get("amr")):
        if isinstance(each, str) and each in amr:
            yield f"amr:{each}"
