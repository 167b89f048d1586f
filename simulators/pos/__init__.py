"""A till, simulated: see its README for what it does when the network fails."""

from .results import Outcome, Receipt, Result, Verdict
from .till import StillOpen, Till, TillSettings

__all__ = ["Outcome", "Receipt", "Result", "StillOpen", "Till", "TillSettings", "Verdict"]
