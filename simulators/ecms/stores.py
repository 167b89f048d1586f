"""The stores that the simulator knows, made up by rule so that everybody has the same ones.

400 are always there; about one opens each day, and each is closed for renovation now and then.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

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

READY_AFTER_DAYS = {Zone.METRO_MANILA: 1, Zone.LUZON: 3, Zone.VISAYAS: 5, Zone.MINDANAO: 10}
"""T+n of the seed's delivery table; always at 08:00."""

OPEN = "OPEN"
RENOVATION = "CLOSED FOR RENOVATION"


@dataclass(frozen=True, slots=True)
class Store:
    """One line of the published store list; `route` is the trucker's who serves it."""

    store_id: str
    name: str
    city: str
    zone: Zone
    route: str
    status: str = OPEN

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


# A truck's round has about as many stores as a driver reaches in a morning.
_STORES_ON_A_ROUTE = 20
_ROUTES = {Zone.METRO_MANILA: "GMM", Zone.LUZON: "LUZ", Zone.VISAYAS: "VIS", Zone.MINDANAO: "MIN"}


def _stores() -> dict[str, Store]:
    stores: dict[str, Store] = {}
    first = 1
    for zone, last, cities in _ZONES:
        for number in range(first, last + 1):
            street, city = divmod(number - first, len(cities))
            store_id = f"{number:04d}"
            route = f"{_ROUTES[zone]}-{(number - first) // _STORES_ON_A_ROUTE + 1:02d}"
            stores[store_id] = Store(store_id, f"{_STREETS[street]}, {cities[city]}", cities[city], zone, route)
        first = last + 1
    return stores


STORES = _stores()
"""The 400 stores that are always there; only renovation closes them for a while."""

FIRST_OPENING = date(2026, 1, 1)
"""From this day on one store opens each day, the first one with the number 0401."""

_LAST_NUMBER = 8999  # What follows are numbers of warehouses.
_DIGITS = 4
_RENOVATED = "7"
_RENOVATION_DAYS = 30
_RENOVATION_CYCLE_DAYS = 300


def zone_of_city(city: str) -> Zone | None:
    """The zone of a city of the store list, whatever its capitals; None for others."""
    return _ZONE_OF_CITY.get(city.strip().casefold())


_ZONE_OF_CITY = {city.casefold(): zone for zone, _, cities in _ZONES for city in cities}


def _opened(number: int) -> Store:
    zone, _, cities = _ZONES[number % len(_ZONES)]
    city = cities[number // len(_ZONES) % len(cities)]
    return Store(f"{number:04d}", f"Branch {number}, {city}", city, zone, f"{_ROUTES[zone]}-90")


def _renovated(store: Store, day: date) -> bool:
    """Stores whose number ends in 7 take turns; each is closed for 30 days in every 300."""
    turn = (day.toordinal() + int(store.store_id)) % _RENOVATION_CYCLE_DAYS
    return store.store_id.endswith(_RENOVATED) and turn < _RENOVATION_DAYS


@lru_cache(maxsize=8)
def stores_on(day: date) -> Mapping[str, Store]:
    """The list that is published on a day: what is open by then, and what is closed for renovation."""
    opened = max(0, min((day - FIRST_OPENING).days + 1, _LAST_NUMBER - len(STORES)))
    listed = {**STORES, **{store.store_id: store for store in map(_opened, _numbers(opened))}}
    return MappingProxyType(
        {
            store_id: replace(store, status=RENOVATION) if _renovated(store, day) else store
            for store_id, store in listed.items()
        }
    )


def _numbers(count: int) -> range:
    return range(len(STORES) + 1, len(STORES) + 1 + count)


def find_store(store_id: str | None) -> Store | None:
    """The store with that number, open already or not; None for warehouses, merchants and nobody."""
    if store_id is None or store_id in STORES or not (store_id.isascii() and store_id.isdigit()):
        return STORES.get(store_id or "")
    number = int(store_id)
    return _opened(number) if len(STORES) < number <= _LAST_NUMBER and len(store_id) == _DIGITS else None


def published_at(now: datetime) -> datetime:
    """When the list that is out at `now` was published: the latest 06:00, Philippine time."""
    local = now.astimezone(PHILIPPINE_TIME)
    today = datetime.combine(local.date(), PUBLISHED_AT, PHILIPPINE_TIME)
    return today if local >= today else today - timedelta(days=1)


def stores_csv(day: date) -> str:
    """The store list as it is published on a day, one line for each store, with a line of names first."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(("storeId", "name", "city", "zone", "readyForClaiming", "route", "status"))
    for store in stores_on(day).values():
        ready = f"T+{READY_AFTER_DAYS[store.zone]} 08:00"
        lines.writerow((store.store_id, store.name, store.city, store.zone, ready, store.route, store.status))
    return text.getvalue()
