"""A kiosk, simulated: see its README for what it does when the network fails."""

from .kiosk import Kiosk, KioskResult

__all__ = ["Kiosk", "KioskResult"]
