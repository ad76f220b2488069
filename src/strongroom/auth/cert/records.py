"""What a cert mount stores besides revocation lists: roles, settings; and what a token is bound to.

    role/{name}      -> Role
    config           -> Config
    known/{alias}    -> True, see `strongroom.sdk.workloads`

A token keeps its `Binding` as the role that it is renewed by, so that no row has to be kept, and
forgotten, for each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Final

from strongroom.auth.cert.certificates import Leaf, key_of
from strongroom.auth.cert.chains import Chain
from strongroom.auth.cert.revocation import Issued, issued_by
from strongroom.sdk.auth import TokenRules
from strongroom.sdk.engine import Call, Help

CONFIG: Final = "config"
ROLES: Final = "role/"

Patterns = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Settings(TokenRules):
    """What may be set on a role. `*` in a pattern stands for any text."""

    certificate: Annotated[str, Help("The authorities trusted, or one client's own; PEM.")] = ""
    allowed_names: Annotated[
        Patterns, Help("Patterns, one of which the common name, a DNS or an e-mail name is like.")
    ] = ()
    allowed_common_names: Annotated[Patterns, Help("Patterns of the common name.")] = ()
    allowed_dns_sans: Annotated[Patterns, Help("Patterns, one of which a DNS name is like.")] = ()
    allowed_email_sans: Annotated[Patterns, Help("Patterns of an e-mail name.")] = ()
    allowed_uri_sans: Annotated[
        Patterns, Help("Patterns of a URI; for SPIFFE `spiffe://trust-domain/…`.")
    ] = ()
    allowed_organizational_units: Annotated[Patterns, Help("Patterns of the subject's OU.")] = ()
    required_extensions: Annotated[
        Patterns, Help("`oid:pattern` of extensions that hold a text; all must be there.")
    ] = ()
    allowed_metadata_extensions: Annotated[
        Patterns, Help("OIDs of extensions whose text goes into the token's metadata.")
    ] = ()
    display_name: Annotated[str, Help("How the tokens are shown; left out, the name.")] = ""


@dataclass(frozen=True, kw_only=True)
class Role(Settings):
    """A role as it is stored."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Config:
    """What holds for the whole mount."""

    disable_binding: Annotated[
        bool, Help("Renew without the certificate; its expiry and revocation still count.")
    ] = False
    enable_identity_alias_metadata: Annotated[
        bool, Help("Write the token's metadata into the alias too.")
    ] = False
    accept_expired_crls: Annotated[
        bool, Help("Rely on revocation lists that have ended. Not in Vault.")
    ] = False


async def config_of(call: Call) -> Config:
    """Return the mount's settings."""
    held = await call.store.find(CONFIG, Config)
    return held.value if held else Config()


@dataclass(frozen=True, kw_only=True)
class Binding:
    """What a token is bound to: the role, and of the certificate what renewal has to know."""

    role: str
    key: str  # digests, in hex
    issuer_key: str
    ends: datetime
    issued: Issued

    @classmethod
    def of(cls, role: str, leaf: Leaf, chain: Chain) -> Binding:
        """Return the binding of a certificate that was judged; a pinned one vouches for itself."""
        return cls(
            role=role,
            key=sha256(key_of(leaf.certificate)).hexdigest(),
            issuer_key=sha256(key_of(chain[1] if len(chain) > 1 else chain[0])).hexdigest(),
            ends=leaf.certificate.not_valid_after_utc,
            issued=issued_by(leaf.certificate),
        )

    def written(self) -> str:
        """Return it as one line of text."""
        issuer, serial = self.issued
        ends = int(self.ends.timestamp())
        return f"{self.role} {self.key} {self.issuer_key} {ends} {issuer.hex()} {serial:x}"

    @classmethod
    def read(cls, text: str) -> Binding | None:
        """Return what `written` gave, or None for any other text."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            return None
        role, key, issuer_key, ends, issuer, serial = found.groups()
        return cls(
            role=role,
            key=key,
            issuer_key=issuer_key,
            ends=datetime.fromtimestamp(int(ends), UTC),
            issued=(bytes.fromhex(issuer), int(serial, 16)),
        )

    def continues(self, before: Binding) -> bool:
        """Say whether this is the same certificate's key, or another of the same issuer."""
        return before.role == self.role and (
            before.key == self.key or before.issuer_key == self.issuer_key
        )


_DIGEST: Final = "([0-9a-f]{64})"
_WRITTEN: Final = re.compile(
    rf"(\S{{1,512}}) {_DIGEST} {_DIGEST} (\d{{1,12}}) {_DIGEST} ([0-9a-f]{{1,64}})", re.ASCII
)
