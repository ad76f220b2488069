"""JSON Web Tokens, and the key sets that they are checked with, as strangers send them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

from strongroom.auth.jwt.keys import KeysError, keys_of_set
from strongroom.auth.jwt.token import JsonError, TokenError, parse_object, parsed


def _part(text: bytes) -> bytes:
    return urlsafe_b64encode(text).rstrip(b"=")


_HEAD = _part(b'{"alg":"ES256","kid":"one"}')
_EC = (
    b'{"kty":"EC","crv":"P-256","kid":"one",'
    b'"x":"gNc38A6ELgqBRpLUvMpysn9vsQFx1tkYbziLK7uSu2A",'
    b'"y":"NqLkzxxfRG2aboLKU-PCt2YMIYJGQlM-v2a2U8Wk6Nw"}'
)
_OKP = b'{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
SEEDS = (
    b".".join((_HEAD, _part(b'{"sub":"app","exp":1767225900}'), b"AAAA")),
    b".".join((_HEAD, _part(b'{"sub":"app","sub":"admin"}'), b"AAAA")),
    b".".join((_part(b'{"alg":"none"}'), _part(b"{}"), b"")),
    b'{"sub":"a\\u00e9","x":[{"y":1e999}]}',
    b'{"keys":[%b]}' % _EC,
    b'{"keys":[%b,{"kty":"oct","k":"AAAA"}]}' % _OKP,
    b'{"keys":[%b]}' % _OKP.replace(b"25519", b"255%9"),  # a curve that nobody knows
    b'{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","use":"sig","alg":"RS256"}]}',
)


def target(data: bytes) -> None:
    """A token is signed over just what it was read from; an object reads the same again."""
    try:
        token = parsed(data.decode(errors="replace"))
        assert data.startswith(token.signed + b".")
        assert token.kid != ""
    except TokenError:
        pass
    try:
        found = parse_object(data)
        assert parse_object(json.dumps(found).encode()) == found
    except JsonError:
        pass
    try:
        keys = keys_of_set(data)
        assert all(each.algorithms for each in keys)
    except KeysError:
        pass
