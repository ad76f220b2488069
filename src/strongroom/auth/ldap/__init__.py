"""The `ldap` auth method: people whom a directory knows."""

from strongroom.auth.ldap.method import Ldap

__all__ = ["Ldap"]
