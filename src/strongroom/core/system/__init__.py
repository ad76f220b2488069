"""The server's own paths: `sys/…`, `auth/token/…`, `identity/…` and `strongroom/…`.

Each module states its routes as an engine does; its handlers get a `SystemCall`.
"""
