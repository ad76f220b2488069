"""The `kubernetes` auth method: a service account's token for a workload in a cluster."""

from strongroom.auth.kubernetes.method import Kubernetes

__all__ = ["Kubernetes"]
