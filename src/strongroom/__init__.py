"""strongroom: a self-hosted secrets platform that proves its own controls."""

from strongroom.base.version import __version__

__all__ = ["__version__"]
