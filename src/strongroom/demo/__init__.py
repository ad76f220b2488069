"""A small company's quarter, played against a server of its own, and the proof of it.

Everything goes through what anybody can use: HTTP with `hvac`, and our own command line in
processes of its own. `story` holds the scenes in their order; a scene is a module in `scenes/`.
"""
