"""Security keys and passkeys: what they are asked, and whether their answer holds.

Specs   WebAuthn Level 2, by the `webauthn` library: registration without attestation, user
        verification always required, ES256, EdDSA and RS256.
Order   The signature is verified before the counter is compared: whoever does not have the key
        cannot have a factor taken for cloned.
Trust   The public key came when the factor was enrolled; whoever enrols it may use it. What it says
        of itself (its model, that it asked for a PIN or finger) is the authenticator's own word,
        since no attestation is asked for. The page that asked is named by the browser: the origin
        must be one of the configuration's, and in no frame of another site's page. A passkey that
        is backed up may be on other devices.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from strongroom.identity.factors.records import Factor

KEY_PAGE: Final = "/key"
SECONDS: Final = 300  # for which a challenge stands
CHALLENGE_BYTES: Final = 32
LARGEST: Final = 16 * 1024  # bytes of an answer
LONGEST_KEY: Final = 2048  # bytes of a COSE public key
LONGEST_ID: Final = 1023  # bytes of a credential id, as WebAuthn has it
MODELS: Final = ("none", "packed")  # formats of attestation statements that are read at all
TRANSPORTS: Final = frozenset({"usb", "nfc", "ble", "internal", "hybrid", "cable"})
_WORDS: Final = re.compile(r"challenge|origin|RP ID|not verified|not present|client data type|alg")
_REASONS: Final = {
    "challenge": "another challenge",
    "origin": "another origin",
    "RP ID": "another relying party",
    "not verified": "the user was not verified",
    "not present": "the user was not present",
    "client data type": "made for another ceremony",
    "alg": "an algorithm that is not taken",
}


class AuthenticatorError(Exception):
    """The answer does not hold; the text is for the entry, and holds nothing of it."""


class ClonedError(AuthenticatorError):
    """The signature holds, and the counter went back: there are two of this authenticator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """Who asks: the id is a host name, the origins are where a browser may ask from."""

    id: str
    name: str
    origins: tuple[str, ...]

    @property
    def key_page(self) -> str:
        """Where a browser asks a key on behalf of a program of its computer."""
        return f"{self.origins[0]}{KEY_PAGE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A new credential, and what its authenticator said of itself."""

    credential: bytes
    public_key: bytes
    signs: int
    aaguid: str
    transports: tuple[str, ...]
    user_verified: bool
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """A credential that was used."""

    factor: Factor
    signs: int
    backed_up: bool


def handle_of(entity: str) -> bytes:
    """Return what an authenticator knows an entity by: its id, which says nothing of a person."""
    return UUID(entity).bytes


def registration_options(
    party: RelyingParty, *, challenge: bytes, entity: str, name: str, known: Sequence[Factor]
) -> bytes:
    """Return the options of `navigator.credentials.create()` as JSON."""
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 - heavy
    from webauthn.helpers import structs  # noqa: PLC0415

    options = generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_name=name,
        user_id=handle_of(entity),
        challenge=challenge,
        timeout=SECONDS * 1000,
        attestation=structs.AttestationConveyancePreference.NONE,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.PREFERRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json(options).encode()


def request_options(party: RelyingParty, *, challenge: bytes, known: Sequence[Factor]) -> bytes:
    """Return the options of `navigator.credentials.get()` as JSON."""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415 - heavy
    from webauthn.helpers import structs  # noqa: PLC0415

    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=SECONDS * 1000,
        allow_credentials=_descriptors(known),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options).encode()


def _descriptors(known: Sequence[Factor]) -> list[Any]:
    from webauthn.helpers import structs  # noqa: PLC0415 - heavy

    return [
        structs.PublicKeyCredentialDescriptor(
            id=factor.credential,
            transports=[structs.AuthenticatorTransport(each) for each in factor.transports] or None,
        )
        for factor in known
        if factor.credential is not None
    ]


def registered(party: RelyingParty, answer: bytes, challenge: bytes) -> Registered:
    """Return the credential of a registration. Raises AuthenticatorError where it does not hold."""
    from webauthn import verify_registration_response  # noqa: PLC0415 - heavy
    from webauthn.helpers import base64url_to_bytes, parse_attestation_object  # noqa: PLC0415

    said = _object(answer)
    _check_frame(said)
    try:
        attested = parse_attestation_object(base64url_to_bytes(_text(said, "attestationObject")))
        _check_model(attested.fmt)
        found = verify_registration_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
    except AuthenticatorError:
        raise
    except Exception as error:  # noqa: BLE001 - the library's parsers raise whatever they meet
        raise AuthenticatorError(_reason(error)) from None
    if len(found.credential_public_key) > LONGEST_KEY or len(found.credential_id) > LONGEST_ID:
        raise AuthenticatorError("larger than any authenticator's")
    transports = said["response"].get("transports")
    named = transports if isinstance(transports, list) else []
    return Registered(
        credential=found.credential_id,
        public_key=found.credential_public_key,
        signs=found.sign_count,
        aaguid=found.aaguid,
        transports=tuple(sorted({t for t in named if isinstance(t, str)} & TRANSPORTS)),
        user_verified=found.user_verified,
        backup_eligible=attested.auth_data.flags.be,
        backed_up=attested.auth_data.flags.bs,
    )


def asserted(
    party: RelyingParty, answer: bytes, challenge: bytes, among: Sequence[Factor]
) -> Asserted:
    """Return which factor signed the challenge.

    Raises AuthenticatorError where none did; ClonedError where one did whose counter went back.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 - heavy
    from webauthn.helpers import base64url_to_bytes, parse_authenticator_data  # noqa: PLC0415

    said = _object(answer)
    factor = _named(said, among)
    _check_frame(said)
    try:
        verified = verify_authentication_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=factor.secret or b"",
            credential_current_sign_count=0,  # compared below
            require_user_verification=True,
        )
        data = base64url_to_bytes(_text(said, "authenticatorData"))
        eligible = parse_authenticator_data(data).flags.be
        handle = said["response"].get("userHandle")
        whose = base64url_to_bytes(handle) if handle else handle_of(factor.entity)
    except Exception as error:  # noqa: BLE001 - the library's parsers raise whatever they meet
        raise AuthenticatorError(_reason(error)) from None
    if not hmac.compare_digest(whose, handle_of(factor.entity)):
        raise AuthenticatorError("made for another person")
    if eligible != factor.backup_eligible:
        raise AuthenticatorError("not the authenticator that was enrolled: it can be backed up")
    if (verified.new_sign_count or factor.signs) and verified.new_sign_count <= factor.signs:
        raise ClonedError("cloned: the authenticator's counter went back")
    return Asserted(
        factor=factor, signs=verified.new_sign_count, backed_up=verified.credential_backed_up
    )


def credential_text(factor: Factor) -> str:
    """Return a credential's id as browsers write it."""
    return urlsafe_b64encode(factor.credential or b"").rstrip(b"=").decode()


def named_factor(answer: bytes, among: Sequence[Factor]) -> Factor:
    """Return which factor an answer names, whether it holds or not. Raises AuthenticatorError."""
    return _named(_object(answer), among)


def _check_model(form: str) -> None:
    if form not in MODELS:
        raise AuthenticatorError("an attestation was sent that nobody asked for")


def _check_frame(said: dict[str, Any]) -> None:
    """Refuse what was asked for in a frame of another site's page: none of ours is in one."""
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415 - heavy

    try:
        client = msgspec.json.decode(base64url_to_bytes(_text(said, "clientDataJSON")))
    except (ValueError, RecursionError):
        raise AuthenticatorError("no credential") from None
    if not isinstance(client, dict):
        raise AuthenticatorError("no credential")
    if client.get("crossOrigin", False) is not False or client.get("topOrigin") is not None:
        raise AuthenticatorError("asked for in a page of another site")


def _object(answer: bytes) -> dict[str, Any]:
    if len(answer) > LARGEST:
        raise AuthenticatorError("larger than any authenticator's")
    try:
        said = msgspec.json.decode(answer)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise AuthenticatorError("no JSON") from None
    if not isinstance(said, dict) or not isinstance(said.get("response"), dict):
        raise AuthenticatorError("no credential")
    return said


def _text(said: dict[str, Any], name: str) -> str:
    found = said["response"].get(name)
    if not isinstance(found, str):
        raise AuthenticatorError("no credential")
    return found


def _named(said: dict[str, Any], among: Sequence[Factor]) -> Factor:
    name = said.get("id")
    for factor in among:
        if factor.credential is not None and credential_text(factor) == name:
            return factor
    raise AuthenticatorError("no key of this person")


def _reason(error: Exception) -> str:
    """Return why in words of our own: the library's may repeat what was sent."""
    found = _WORDS.search(str(error))
    return _REASONS[found[0]] if found else "not signed by the key"
