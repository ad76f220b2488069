"""What is served over SCIM, as its own documents say it: schemas, types, and what is supported.

Specs   RFC 7643 sections 5 to 8. What is not in these schemas is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
CONFIG: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST: Final = 200  # resources in one answer


def _attribute(name: str, about: str, /, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "string",
        "multiValued": False,
        "description": about,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
        **more,
    }


USER_ATTRIBUTES: Final = (
    _attribute("userName", "Name at the directory.", required=True, uniqueness="server"),
    _attribute("active", "Whether they are here; false ends all access.", type="boolean"),
    _attribute("displayName", "Name, for people to read."),
    _attribute(
        "name",
        "Parts of the name.",
        type="complex",
        subAttributes=[
            _attribute("formatted", "The whole name."),
            _attribute("familyName", "Family name."),
            _attribute("givenName", "Given name."),
        ],
    ),
    _attribute(
        "emails",
        "E-mail addresses; the primary one is kept with the person.",
        type="complex",
        multiValued=True,
        subAttributes=[
            _attribute("value", "Address."),
            _attribute("type", "What for."),
            _attribute("primary", "Whether it is the primary one.", type="boolean"),
        ],
    ),
    _attribute(
        "groups",
        "Groups that they are in themselves.",
        type="complex",
        multiValued=True,
        mutability="readOnly",
        subAttributes=[
            _attribute("value", "Id of the group.", mutability="readOnly"),
            _attribute("display", "Its name.", mutability="readOnly"),
        ],
    ),
)
GROUP_ATTRIBUTES: Final = (
    _attribute("displayName", "Name of the group.", required=True, uniqueness="server"),
    _attribute(
        "members",
        "People in it.",
        type="complex",
        multiValued=True,
        subAttributes=[
            _attribute("value", "Id of the person.", mutability="immutable", caseExact=True),
            _attribute(
                "$ref",
                "Where they are.",
                type="reference",
                referenceTypes=["User"],
                mutability="immutable",
                caseExact=True,
            ),
            _attribute("type", "Always User.", mutability="immutable", canonicalValues=["User"]),
        ],
    ),
)
_EXTERNAL: Final = _attribute("externalId", "Id at the directory.", caseExact=True)


def by_name(attributes: tuple[dict[str, Any], ...]) -> Mapping[str, Mapping[str, Any]]:
    """Return what may be named in a PATCH, by name in lower case."""
    fixed = {name: {"name": name, "mutability": "readOnly"} for name in ("id", "meta", "schemas")}
    return {**fixed, **{each["name"].lower(): each for each in (*attributes, _EXTERNAL)}}


USER_KNOWN: Final = by_name(USER_ATTRIBUTES)
GROUP_KNOWN: Final = by_name(GROUP_ATTRIBUTES)


def schemas(base: str) -> list[dict[str, Any]]:
    """Return the schemas."""
    return [
        {
            "schemas": [SCHEMA],
            "id": id_,
            "name": name,
            "description": about,
            "attributes": list(attributes),
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{id_}"},
        }
        for id_, name, about, attributes in (
            (USER, "User", "A person.", USER_ATTRIBUTES),
            (GROUP, "Group", "A group that the directory looks after.", GROUP_ATTRIBUTES),
        )
    ]


def resource_types(base: str) -> list[dict[str, Any]]:
    """Return the types of resources."""
    return [
        {
            "schemas": [TYPE],
            "id": name,
            "name": name,
            "endpoint": f"/{name}s",
            "description": about,
            "schema": schema,
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{name}"},
        }
        for name, about, schema in (("User", "People.", USER), ("Group", "Groups.", GROUP))
    ]


def provider(base: str) -> dict[str, Any]:
    """Return what is supported."""
    no = {"supported": False}
    return {
        "schemas": [CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MOST},
        "changePassword": no,
        "sort": {"supported": True},
        "etag": no,
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Token",
                "description": "A token of strongroom, as a bearer token.",
                "primary": True,
            }
        ],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": f"{base}/ServiceProviderConfig",
        },
    }
