"""Limits that controls judge by, and that changes can be refused by before they break one."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

TOKEN_LIFE: Final = timedelta(days=32)  # T11
PRODUCTION: Final = ("production", "prod")  # T40: what an environment is called that is one
