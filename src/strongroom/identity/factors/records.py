"""The rows of second factors: factors, what enrols them, what demands them, and logins that wait.

Trust  Guarded (`storage.guard`): who can write to the database can delete such a row or bring
       back an older one, and cannot change or make one. An older row of a factor would let a
       code, a recovery code or a counter count a second time. `factor_lockout` is not guarded:
       who deletes one gives an entity its tries back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.identity.tokens import Wanted
from strongroom.storage.register import Register

TOTP, WEBAUTHN, RECOVERY = "totp", "webauthn", "recovery"
KINDS = (TOTP, WEBAUTHN, RECOVERY)


@dataclass(frozen=True, slots=True)
class Factor:
    """Something that an entity can show beside its login. A disabled one counts as enrolled.

    `method` is set where Vault's API made it. `secret` is a TOTP key or a COSE public key. Of the
    columns below it each kind uses its own: `codes` are keyed digests of the recovery codes left,
    `spent` is the last TOTP step taken, `signs` the authenticator's counter. `helped_by` are the
    entities that could have enrolled it themselves: they knew the code, or could have logged in so.
    """

    id: str
    entity: str
    kind: str
    method: str
    name: str
    secret: bytes | None
    period: int
    digits: int
    algorithm: str
    skew: int
    spent: int
    codes: tuple[str, ...]
    credential: bytes | None
    signs: int
    aaguid: str
    transports: tuple[str, ...]
    user_verified: bool
    backup_eligible: bool
    backed_up: bool
    created_at: datetime
    used_at: datetime | None = None
    disabled: str = ""  # why it is not taken any more
    vouched: bool | None = None  # enrolled by somebody who showed a factor that counted
    helped_by: tuple[str, ...] | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Ceremony:
    """An enrolment or a WebAuthn challenge that was begun; used once, by its entity.

    `secret` is the challenge, or the TOTP key that waits for its first code. `lifts` is the mark of
    the hold that it ends (`factors.holds`), where what began it could.
    """

    id: str
    entity: str
    purpose: str
    name: str
    secret: bytes
    tries: int
    expires_at: datetime
    vouched: bool | None = None  # of an enrolment: what the factor will be
    helped_by: tuple[str, ...] | None = None  # the same
    lifts: str | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class FactorLockout:
    """Codes and assertions of one entity that were wrong."""

    entity: str
    failures: int
    last_at: datetime
    locked_until: datetime | None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class FactorRule:
    """Who holds one of these policies, or is in one of these groups, needs one of these kinds."""

    name: str
    policies: tuple[str, ...]
    groups: tuple[str, ...]
    kinds: tuple[str, ...]
    provider_factors: bool
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class MfaMethod:
    """A method of Vault's login MFA. `provider_factors`: a trusted provider's word will do."""

    id: str
    kind: str
    name: str
    issuer: str
    period: int
    digits: int
    algorithm: str
    skew: int
    key_size: int
    qr_size: int
    most_tries: int
    provider_factors: bool
    created_at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class MfaEnforcement:
    """Which logins need one of some methods: by mount, type of mount, group or entity."""

    name: str
    id: str
    methods: tuple[str, ...]
    accessors: tuple[str, ...]
    mount_types: tuple[str, ...]
    groups: tuple[str, ...]
    entities: tuple[str, ...]
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One way to meet a demand: a method of Vault's, or one's own factors of a kind."""

    id: str
    kind: str
    name: str = ""
    own: bool = False  # not of Vault's API: `id` is the kind
    most_tries: int = 0  # zero: what holds for everybody

    def takes(self, kind: str, method: str) -> bool:
        """Say whether a factor meets it; a recovery code stands in for a one-time code."""
        if kind == RECOVERY:
            return self.kind in (RECOVERY, TOTP)
        return kind == self.kind and (self.own or method in ("", self.id))


@dataclass(frozen=True, slots=True)
class Demand:
    """What a login still needs: any one of these."""

    name: str
    any: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A login whose first factor was shown. No token exists yet; `wanted` says what it would be.

    It is found by a keyed digest of the request id. `role` and `alias` are the auth method's, so
    that it can be asked once more. `proven` is a digest of what the first factor was judged by, and
    `workload` what the method said of it; one without was begun by an older server, and is over.
    """

    lookup: bytes
    entity: str
    mount: str
    path: str
    role: str
    alias: str
    wanted: Wanted
    demands: tuple[Demand, ...]
    shown: tuple[str, ...]
    challenge: bytes | None
    expires_at: datetime
    provided: tuple[str, ...] | None = None  # factors that a trusted provider saw
    proven: str | None = None
    workload: bool | None = None
    entry: int | None = None


FACTORS = Register(
    "factor",
    Factor,
    key=("id",),
    sealed=("secret",),
    indexes=(("entity",), ("credential",), ("method",)),
    guarded=True,
)
CEREMONIES = Register(
    "factor_ceremony",
    Ceremony,
    key=("id",),
    sealed=("secret",),
    indexes=(("entity",), ("expires_at",)),
    guarded=True,
)
FACTOR_LOCKOUTS = Register("factor_lockout", FactorLockout, key=("entity",))
FACTOR_RULES = Register("factor_rule", FactorRule, key=("name",), guarded=True)
MFA_METHODS = Register("mfa_method", MfaMethod, key=("id",), indexes=(("name",),), guarded=True)
MFA_ENFORCEMENTS = Register("mfa_enforcement", MfaEnforcement, key=("name",), guarded=True)
MFA_PENDING = Register(
    "mfa_pending",
    Pending,
    key=("lookup",),
    sealed=("wanted", "demands", "challenge"),
    indexes=(("expires_at",), ("entity",)),
    guarded=True,
)
