"""What is going to happen in the month: made from a seed, so that the same seed gives the same month."""

import random
from dataclasses import dataclass
from enum import StrEnum

from ..stores import READY_AFTER_DAYS, STORES, Zone

DAYS = 30
STORE_OF = {Zone.METRO_MANILA: "0166", Zone.LUZON: "0300", Zone.VISAYAS: "0350", Zone.MINDANAO: "0390"}
"""The store of each zone where the month's customers come; each has one till."""

MERCHANT_DELIVERS, DC_FETCHES = "001", "002"
"""The sandbox's merchants: one of each B2C flow."""

_ITEMS_OF_A_SELLER = 4  # Fewer than the five that a seller may drop off in a day, whenever the seller comes.


class Kind(StrEnum):
    """What is sent."""

    SHIPMENT = "shipment"
    DROP_OFF = "drop-off"
    RETURN = "return"


class Fate(StrEnum):
    """What becomes of it."""

    CLAIMED = "claimed"
    CLAIMED_AGAIN = "claimed, undone, claimed again"
    CLAIM_UNDONE = "claimed, undone, left"
    UNCLAIMED = "never claimed"
    CANCELLED = "cancelled at once"
    CANCELLED_LATE = "cancelled under way"
    REJECTED = "rejected at the pick-up"
    GIVEN_BACK = "claimed and returned"
    GIVEN_BACK_AGAIN = "returned, undone, returned again"
    GIVEN_BACK_NEVER = "claimed, return code not used"
    DROPPED_AGAIN = "dropped off, undone, dropped off again"
    FEE_DIFFERS = "brought to another store first"
    NOT_BROUGHT = "booked and not brought"
    BACK_TO_SELLER = "claimed by its seller"
    LEFT_BY_SELLER = "left by its seller"
    TO_A_DOOR = "sent to a door"


@dataclass(frozen=True, slots=True)
class Item:
    """One shipment, drop-off or return. `day` is when it begins; `linger`, for how many days its customer waits."""

    number: int
    kind: Kind
    fate: Fate
    merchant_code: str
    zone: Zone
    home: Zone
    amount_centavos: int
    payor: str
    day: int
    linger: int
    late: bool
    seed: int

    @property
    def store_id(self) -> str:
        """Where it is claimed or returned."""
        return STORE_OF[self.zone]

    @property
    def home_store_id(self) -> str:
        """Where its seller drops it off."""
        return STORE_OF[self.home]

    @property
    def city(self) -> str:
        """Where the door is."""
        return STORES[self.store_id].city

    @property
    def merchant_reference(self) -> str:
        """The merchant's own name for it; also what a customer returns it by."""
        return f"MONTH-{self.seed}-{self.number:05d}"

    @property
    def seller(self) -> str:
        """The seller's mobile number."""
        return f"0917{self.number // _ITEMS_OF_A_SELLER:07d}"


_WEIGHTS: dict[tuple[Kind, Fate], int] = {
    (Kind.SHIPMENT, Fate.CLAIMED): 300,
    (Kind.SHIPMENT, Fate.CLAIMED_AGAIN): 50,
    (Kind.SHIPMENT, Fate.CLAIM_UNDONE): 30,
    (Kind.SHIPMENT, Fate.UNCLAIMED): 100,
    (Kind.SHIPMENT, Fate.CANCELLED): 30,
    (Kind.SHIPMENT, Fate.CANCELLED_LATE): 30,
    (Kind.SHIPMENT, Fate.REJECTED): 30,
    (Kind.SHIPMENT, Fate.GIVEN_BACK): 50,
    (Kind.SHIPMENT, Fate.GIVEN_BACK_AGAIN): 20,
    (Kind.SHIPMENT, Fate.GIVEN_BACK_NEVER): 20,
    (Kind.DROP_OFF, Fate.CLAIMED): 100,
    (Kind.DROP_OFF, Fate.DROPPED_AGAIN): 30,
    (Kind.DROP_OFF, Fate.FEE_DIFFERS): 30,
    (Kind.DROP_OFF, Fate.NOT_BROUGHT): 20,
    (Kind.DROP_OFF, Fate.CANCELLED): 20,
    (Kind.DROP_OFF, Fate.BACK_TO_SELLER): 30,
    (Kind.DROP_OFF, Fate.LEFT_BY_SELLER): 30,
    (Kind.DROP_OFF, Fate.TO_A_DOOR): 30,
    (Kind.RETURN, Fate.GIVEN_BACK): 50,
    (Kind.RETURN, Fate.GIVEN_BACK_AGAIN): 20,
    (Kind.RETURN, Fate.GIVEN_BACK_NEVER): 20,
}
KINDS = tuple(_WEIGHTS)
"""Everything that can happen."""

_AMOUNTS = (0, 1, 99, 10_000, 20_000, 49_950, 129_995, 399_999, 400_000)


def days_needed(kind: Kind, fate: Fate, zone: Zone, home: Zone) -> int:
    """At most so many days after it began it has ended, however long its customers wait."""
    out, back = READY_AFTER_DAYS[zone], READY_AFTER_DAYS[home]
    if kind is Kind.RETURN:
        return 11 if fate is Fate.GIVEN_BACK_NEVER else 7
    if fate in (Fate.CANCELLED, Fate.CANCELLED_LATE, Fate.REJECTED):
        return 5
    if fate is Fate.NOT_BROUGHT:
        return 10
    if fate is Fate.TO_A_DOOR:
        return 5 + out
    at_store = 3 + out
    if fate in (Fate.UNCLAIMED, Fate.CLAIM_UNDONE):
        return at_store + 12
    if fate is Fate.GIVEN_BACK_NEVER:
        return at_store + 14
    if fate is Fate.BACK_TO_SELLER:
        return at_store + 10 + back + 3
    if fate is Fate.LEFT_BY_SELLER:
        return at_store + 10 + back + 12
    return at_store + 10


def make_plan(parcels: int, seed: int) -> list[Item]:
    """The month's items in the order of their numbers: every kind and fate at least once where there are enough."""
    chance = random.Random(seed)  # noqa: S311 - a plan, no secret
    first = list(KINDS)
    chance.shuffle(first)
    drawn = chance.choices(KINDS, weights=list(_WEIGHTS.values()), k=max(0, parcels - len(first)))
    zones = list(Zone)
    return [
        _item(number, kind, fate, zones[number % len(zones)], chance, seed)
        for number, (kind, fate) in enumerate((first + drawn)[:parcels])
    ]


def _item(  # noqa: PLR0917 - what makes an item
    number: int, kind: Kind, fate: Fate, zone: Zone, chance: random.Random, seed: int
) -> Item:
    home = chance.choice(list(Zone))
    if fate is Fate.FEE_DIFFERS:
        home = Zone.LUZON if zone is Zone.METRO_MANILA else Zone.METRO_MANILA
    if fate is Fate.CANCELLED_LATE and zone is Zone.METRO_MANILA:
        zone = Zone.LUZON  # Within the city it would be at its store by then.
    # What takes too long for the month happens nearer by.
    if days_needed(kind, fate, zone, home) >= DAYS:
        home = Zone.METRO_MANILA
    if days_needed(kind, fate, zone, home) >= DAYS:
        zone = Zone.METRO_MANILA
    merchant_code = DC_FETCHES if fate is Fate.REJECTED else chance.choice((MERCHANT_DELIVERS, DC_FETCHES))
    cash = kind is not Kind.RETURN and fate not in (Fate.TO_A_DOOR, Fate.BACK_TO_SELLER)
    return Item(
        number=number,
        kind=kind,
        fate=fate,
        merchant_code=merchant_code,
        zone=zone,
        home=home,
        amount_centavos=chance.choice(_AMOUNTS) if cash else 0,
        payor="SELLER" if fate is Fate.FEE_DIFFERS else chance.choice(("SELLER", "SELLER", "MERCHANT")),
        day=chance.randrange(DAYS - days_needed(kind, fate, zone, home)),
        linger=chance.randrange(5),
        late=chance.random() < 0.2,
        seed=seed,
    )
