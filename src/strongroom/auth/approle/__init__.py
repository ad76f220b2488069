"""The `approle` auth method: a role id and a secret id for a workload."""

from strongroom.auth.approle.method import AppRole

__all__ = ["AppRole"]
