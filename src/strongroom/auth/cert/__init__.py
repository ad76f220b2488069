"""The `cert` auth method: a client's TLS certificate for a workload."""

from strongroom.auth.cert.method import Cert

__all__ = ["Cert"]
