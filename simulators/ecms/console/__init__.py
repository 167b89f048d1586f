"""The console of the ECMS simulator: parcels, their timelines and faults in the browser."""

from .application import PREFIX, console_application

__all__ = ["PREFIX", "console_application"]
