"""OCSF's own schema as a judge of what we write."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from strongroom.audit.entry import OCSF


@cache
def _schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(OCSF))


@cache
def _validator(class_uid: int) -> Any:
    name = _schema().lookup_class_name_from_uid(class_uid)
    return jsonschema_rs.validator_for(_schema().get_class_schema(name))


def check(event: dict[str, Any]) -> None:
    """Raise AssertionError, or jsonschema_rs.ValidationError, unless the event is OCSF's."""
    _validator(event["class_uid"]).validate(event)
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["category_uid"] == event["class_uid"] // 1000
