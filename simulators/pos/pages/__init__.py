"""The till in the browser."""

from .app import make_app

__all__ = ["make_app"]
