"""The `jwt` and `oidc` auth methods: a token that an issuer signed, or a login at a provider."""

from strongroom.auth.jwt.method import JwtAuth, OidcAuth

__all__ = ["JwtAuth", "OidcAuth"]
