"""What shipping costs. Nothing published says it but one sample, 30.00; the rest is this simulator's own tariff."""

from .stores import Zone

DC_ZONE = Zone.METRO_MANILA
"""Where a shipment begins: the distribution center in Pasig."""

_WITHIN_ZONE = 3_000  # The published sample's shippingFee, 30.00.
_FOR_EACH_ZONE = 1_500
_TO_THE_DOOR = 4_000
_ZONES = tuple(Zone)


def fee(origin: Zone, destination: Zone, delivery_type: str) -> int:
    """Centavos: 30.00 within a zone, 15.00 more for each zone between north and south, 40.00 more to a door."""
    apart = abs(_ZONES.index(origin) - _ZONES.index(destination))
    return _WITHIN_ZONE + apart * _FOR_EACH_ZONE + (_TO_THE_DOOR if delivery_type == "DOOR" else 0)
