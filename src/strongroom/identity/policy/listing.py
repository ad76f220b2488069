"""The filter that hides from a list what the token may not see.

Vault  OpenBao's `list_scan_response_keys_filter_path`: a path with `{{ .key }}` in it, and
       `{{ .path }}` for the path that is listed. A key is shown where that path may be read,
       or listed if the key ends in a slash.
Differs  Of OpenBao's template functions, `replace` alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from strongroom.base.errors import InputError

_ACTION = re.compile(
    r'\{\{\s*+\.(path|key)\s*+((?:\|\s*+replace\s++"(?:[^"\\]|\\.)*+"\s++"(?:[^"\\]|\\.)*+"\s*+)*+)\}\}'
)
_REPLACE = re.compile(r'replace\s++("(?:[^"\\]|\\.)*+")\s++("(?:[^"\\]|\\.)*+")')


@dataclass(frozen=True, slots=True)
class Part:
    """Text as it is, or `path` or `key` after replacements."""

    text: str
    source: str = ""
    replacements: tuple[tuple[str, str], ...] = ()

    def render(self, path: str, key: str) -> str:
        """Return what it stands for."""
        if not self.source:
            return self.text
        value = path if self.source == "path" else key
        for old, new in self.replacements:
            value = value.replace(old, new)
        return value


@dataclass(frozen=True, slots=True)
class KeysFilter:
    """Says where to look whether a key may be seen."""

    parts: tuple[Part, ...]

    def path_of(self, path: str, key: str) -> str:
        """Return the path whose policy decides about `key` in the list of `path`."""
        return "".join(part.render(path, key) for part in self.parts)


def keys_filter(template: str) -> KeysFilter:
    """Read a template. Raises InputError when it is none of ours, or does not tell keys apart."""
    parts: list[Part] = []
    at = 0
    for action in _ACTION.finditer(template):
        parts += (Part(template[at : action.start()]), _part(action))
        at = action.end()
    parts.append(Part(template[at:]))
    found = KeysFilter(tuple(part for part in parts if part.text or part.source))
    if any("{{" in part.text or "}}" in part.text for part in found.parts):
        raise InputError("policy", 'only {{ .path }} and {{ .key }} with replace "…" "…" are known')
    if found.path_of("p", "a") == found.path_of("p", "b"):
        raise InputError("policy", "the path is the same for different keys")
    return found


def _part(action: re.Match[str]) -> Part:
    try:
        pairs = tuple(
            (str(json.loads(old)), str(json.loads(new))) for old, new in _REPLACE.findall(action[2])
        )
    except ValueError:
        raise InputError("policy", "unknown escape in a template") from None
    return Part("", action[1], pairs)
