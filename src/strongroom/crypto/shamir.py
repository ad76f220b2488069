"""Shamir's secret sharing, in the share format of Vault and OpenBao.

Specs  GF(2^8) with the polynomial 0x11b; one random polynomial for each byte of the secret.
Vault  A share is the y bytes followed by one x byte. Any tool that splits or combines Vault's
       unseal keys reads ours, and ours reads theirs.
Trust  `threshold` shares give the secret, fewer give nothing about it. Nothing in a share
       authenticates it: a wrong one gives a wrong secret, so the caller must be able to tell.
Time   All bytes of a vector are worked on at once, as one integer, by shifts, masks and
       exclusive-or alone: no table is read and no branch taken by a secret bit. The x
       coordinates, which shares carry openly, do steer branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import xor
from typing import Final

from strongroom.crypto.errors import ShareError

MAX_SHARES: Final = 255
_REDUCTION: Final = 0x1B  # x^8 = x^4 + x^3 + x + 1


def split(
    secret: bytes, shares: int, threshold: int, entropy: Callable[[int], bytes]
) -> list[bytes]:
    """Return `shares` shares of which any `threshold` give the secret back.

    Raises `ShareError` unless the secret has a byte and 2 <= threshold <= shares <= 255.
    """
    if not secret:
        raise ShareError("there is no secret to split")
    if not 2 <= threshold <= shares <= MAX_SHARES:
        raise ShareError(
            f"{threshold} of {shares} cannot be: at least 2, at most all, and no more than 255"
        )
    width = len(secret)
    randoms = [int.from_bytes(entropy(width)) for _ in range(threshold - 1)]
    coefficients = [*randoms, int.from_bytes(secret)]
    return [
        _evaluate(coefficients, x, width).to_bytes(width) + bytes((x,))
        for x in _coordinates(shares, entropy)
    ]


def combine(shares: Sequence[bytes]) -> bytes:
    """Return what the shares were split from, if they are good and as many as the threshold.

    Raises `ShareError` for fewer than two, for shares of different or too short lengths, and
    for two with one x coordinate. Too few or foreign shares give other bytes, not an error.
    """
    if len(shares) < 2:
        raise ShareError("at least two shares are needed")
    if len({len(share) for share in shares}) != 1:
        raise ShareError("the shares differ in length")
    width = len(shares[0]) - 1
    if width < 1:
        raise ShareError("a share is at least two bytes")
    xs = [share[-1] for share in shares]
    if 0 in xs:
        raise ShareError("a share has the x coordinate 0")
    if len(set(xs)) != len(xs):
        raise ShareError("the same share was given twice")
    terms = (_scale(int.from_bytes(share[:-1]), _weight(share[-1], xs), width) for share in shares)
    return reduce(xor, terms).to_bytes(width)


def _coordinates(count: int, entropy: Callable[[int], bytes]) -> list[int]:
    """Draw `count` of 1..255; the draw is even enough for numbers that are no secret."""
    left = list(range(1, MAX_SHARES + 1))
    return [left.pop(int.from_bytes(entropy(4)) % len(left)) for _ in range(count)]


def _evaluate(coefficients: Sequence[int], x: int, width: int) -> int:
    """Return the polynomials' values at x, by Horner's rule, highest coefficient first."""
    return reduce(lambda value, term: _scale(value, x, width) ^ term, coefficients)


def _weight(x: int, xs: Sequence[int]) -> int:
    """Return the Lagrange coefficient at 0 of the share at x."""
    others = [other for other in xs if other != x]
    above = reduce(lambda product, other: _scale(product, other, 1), others, 1)
    below = reduce(lambda product, other: _scale(product, other ^ x, 1), others, 1)
    return _scale(above, _inverse(below), 1)


def _inverse(element: int) -> int:
    """Return 1/element, which is element^254 = element^(2 + 4 + … + 128); never called with 0."""
    power, product = element, 1
    for _ in range(7):
        power = _scale(power, power, 1)
        product = _scale(product, power, 1)
    return product


def _scale(vector: int, scalar: int, width: int) -> int:
    """Multiply each of the vector's `width` bytes by the scalar, which is no secret."""
    tops = int.from_bytes(b"\x80" * width)
    product = 0
    while scalar:
        if scalar & 1:
            product ^= vector
        carries = vector & tops
        vector = ((vector ^ carries) << 1) ^ ((carries >> 7) * _REDUCTION)
        scalar >>= 1
    return product
