"""A value that does not print itself."""

from __future__ import annotations

from typing import final


@final
class Secret:
    """Bytes which appear nowhere but where `reveal` is called.

    `repr`, `str`, logging, tracebacks and f-strings all show `Secret(…)`. The audit log
    stores a keyed fingerprint of one; only `strongroom.api` writes the bytes to a reply.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """Return the bytes. Every call is found by grep, and reviewed."""
        return self._value

    def text(self) -> str:
        """Return the bytes as UTF-8 text."""
        return self._value.decode()

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")

    def __eq__(self, other: object) -> bool:
        raise TypeError("compare secrets with hmac.compare_digest")

    __hash__ = None  # type: ignore[assignment]
