"""The bodies of version 2's replies, as Vault shapes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from strongroom.base.clock import rfc3339
from strongroom.base.duration import format_duration
from strongroom.engines.kv.records import Config, Current, Version


@lru_cache(maxsize=4096)  # the same versions are read again and again
def _written(moment: datetime) -> str:
    return rfc3339(moment)


def facts(version: Version, custom: Mapping[str, str] | None) -> dict[str, object]:
    """Return what stands beside a version's data."""
    return {
        "created_time": _written(version.created),
        "custom_metadata": custom,
        "deletion_time": "" if version.deleted is None else rfc3339(version.deleted),
        "destroyed": version.destroyed,
        "version": version.number,
    }


def metadata(current: Current) -> dict[str, object]:
    """Return all that is known of a secret but its data."""
    return {
        "cas_required": current.cas_required,
        "created_time": rfc3339(current.created),
        "current_metadata_version": current.revision,
        "current_version": current.number,
        "custom_metadata": current.custom_metadata,
        "delete_version_after": format_duration(current.delete_version_after),
        "max_versions": current.max_versions,
        "metadata_cas_required": current.metadata_cas_required,
        "oldest_version": current.oldest,
        "updated_time": rfc3339(current.updated),
        "versions": {
            str(version.number): {
                "created_time": rfc3339(version.created),
                "deletion_time": "" if version.deleted is None else rfc3339(version.deleted),
                "destroyed": version.destroyed,
            }
            for version in current.versions
        },
    }


def configuration(config: Config) -> dict[str, object]:
    """Return the mount's rules."""
    return {
        "cas_required": config.cas_required,
        "delete_version_after": format_duration(config.delete_version_after),
        "max_versions": config.max_versions,
        "metadata_cas_required": config.metadata_cas_required,
    }
