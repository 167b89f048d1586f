"""The 400 stores that the simulator knows, made up by rule so that everybody has the same ones."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from ..wire import PHILIPPINE_TIME

CENTRAL_WAREHOUSE = "9001"
"""Site number of the distribution center in Pasig."""

MERCHANT_SITE = "9900"
"""Stands for the merchant's own premises, which have no number at ECMS."""

PUBLISHED_AT = time(6, 0)


class Zone(StrEnum):
    """The zones of the seed's delivery table."""

    METRO_MANILA = "Greater Metro Manila"
    LUZON = "Rest of Luzon"
    VISAYAS = "Visayas"
    MINDANAO = "Mindanao"


REGIONAL_WAREHOUSE = {Zone.LUZON: "9002", Zone.VISAYAS: "9003", Zone.MINDANAO: "9004"}
"""Parcels for a zone outside Greater Metro Manila go through the warehouse of their region."""

READY_FOR_CLAIMING = {
    Zone.METRO_MANILA: "T+1 08:00",
    Zone.LUZON: "T+3 08:00",
    Zone.VISAYAS: "T+5 08:00",
    Zone.MINDANAO: "T+10 08:00",
}


@dataclass(frozen=True, slots=True)
class Store:
    """One line of the published store list."""

    store_id: str
    name: str
    city: str
    zone: Zone
    status: str = "OPEN"

    @property
    def regional(self) -> bool:
        """Whether its parcels pass through a regional warehouse."""
        return self.zone is not Zone.METRO_MANILA


# Store numbers of each zone (the last one of each), and the cities among which they are dealt out in turn.
_ZONES: tuple[tuple[Zone, int, tuple[str, ...]], ...] = (
    (
        Zone.METRO_MANILA,
        240,
        (
            *("Manila", "Quezon City", "Makati", "Pasig", "Taguig", "Mandaluyong", "San Juan", "Pasay"),
            *("Parañaque", "Las Piñas", "Muntinlupa", "Marikina", "Caloocan", "Malabon", "Navotas"),
            *("Valenzuela", "Pateros"),
        ),
    ),
    (
        Zone.LUZON,
        320,
        (
            *("Baguio", "Dagupan", "Angeles", "San Fernando", "Olongapo", "Batangas City", "Lipa"),
            *("Lucena", "Naga", "Legazpi", "Tuguegarao", "Cabanatuan"),
        ),
    ),
    (
        Zone.VISAYAS,
        360,
        ("Cebu City", "Mandaue", "Lapu-Lapu", "Iloilo City", "Bacolod", "Dumaguete", "Tacloban"),
    ),
    (
        Zone.MINDANAO,
        400,
        ("Davao City", "Cagayan de Oro", "General Santos", "Zamboanga City", "Butuan", "Iligan"),
    ),
)

_STREETS = (
    *("Rizal Avenue", "Mabini Street", "Bonifacio Street", "Luna Street", "Quezon Avenue"),
    *("Burgos Street", "Del Pilar Street", "Magsaysay Avenue", "Roxas Boulevard", "Aguinaldo Street"),
    *("Osmeña Street", "National Highway", "Public Market", "City Hall", "Bus Terminal"),
)


def _stores() -> dict[str, Store]:
    stores: dict[str, Store] = {}
    first = 1
    for zone, last, cities in _ZONES:
        for number in range(first, last + 1):
            street, city = divmod(number - first, len(cities))
            store_id = f"{number:04d}"
            stores[store_id] = Store(store_id, f"{_STREETS[street]}, {cities[city]}", cities[city], zone)
        first = last + 1
    return stores


STORES = _stores()


def published_at(now: datetime) -> datetime:
    """When the list that is out at `now` was published: the latest 06:00, Philippine time."""
    local = now.astimezone(PHILIPPINE_TIME)
    today = datetime.combine(local.date(), PUBLISHED_AT, PHILIPPINE_TIME)
    return today if local >= today else today - timedelta(days=1)


def stores_csv() -> str:
    """The store list as it is published, one line for each store, with a line of names first."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(("storeId", "name", "city", "zone", "readyForClaiming", "status"))
    for store in STORES.values():
        ready = READY_FOR_CLAIMING[store.zone]
        lines.writerow((store.store_id, store.name, store.city, store.zone, ready, store.status))
    return text.getvalue()
