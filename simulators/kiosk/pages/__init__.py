"""The kiosk in the browser."""

from .app import kiosk_app

__all__ = ["kiosk_app"]
