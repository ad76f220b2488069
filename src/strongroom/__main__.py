"""`python -m strongroom` is the command line."""

from __future__ import annotations

from strongroom.cli.main import main

if __name__ == "__main__":
    main()
