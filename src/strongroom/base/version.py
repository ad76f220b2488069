"""The version of the product, in one place."""

__version__ = "0.1.0"
VERSION = __version__
