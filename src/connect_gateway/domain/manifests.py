"""How far a till may go by itself while it has no connection."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Limits:
    """What a till may do by a manifest, counted since it was last in touch; amounts are centavos."""

    max_age_s: int = 14_400
    """How old the manifest may be."""
    max_amount: int = 400_000
    """The most that one sale may take."""
    max_total: int = 2_000_000
    """The most that all sales may take together that have not been told of yet."""
    max_count: int = 20
    """How many of them there may be."""
    refresh_s: int = 60
    """How often a till that is in touch asks again."""
