"""The weekly settlement with merchants: which sale and which reversal falls into which week.

Source: CLiQQ Commerce B2C API, "Settlement": payments are transferred every Friday for all transactions made from
Thursday of the week before to Wednesday, and shipping fees the other way by the same schedule. A week goes by business
date; of what ECMS has not been told by Friday 00:00, Philippine time, nothing is settled yet.

Amounts are centavos, and negative where something is taken back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import StrEnum
from uuid import UUID

from connect_gateway.domain.states import TransactionType

_PHILIPPINE_TIME = timezone(timedelta(hours=8))
_WEDNESDAY, _FRIDAY = 2, 4

REMITTED_TYPES = frozenset({TransactionType.COLLECT, TransactionType.PAY})
"""Types whose cash is the merchant's. What a seller pays for a drop-off is the platform's own."""


@dataclass(slots=True, frozen=True)
class Week:
    """The business dates that a Friday settles, both included, and the moment by which ECMS has to know."""

    friday: date

    @property
    def begins(self) -> date:
        return self.friday - timedelta(days=8)

    @property
    def through(self) -> date:
        return self.friday - timedelta(days=2)

    @property
    def told_before(self) -> datetime:
        return datetime.combine(self.friday, time(), _PHILIPPINE_TIME)


def is_friday(day: date) -> bool:
    """Whether a settlement can be of this day."""
    return day.weekday() == _FRIDAY


def week_of(business_date: date) -> Week:
    """The week that a business date belongs to."""
    wednesday = business_date + timedelta(days=(_WEDNESDAY - business_date.weekday()) % 7)
    return Week(wednesday + timedelta(days=2))


class LineKind(StrEnum):
    """A line settles a sale, or takes it back."""

    SALE = "SALE"
    REVERSAL = "REVERSAL"


@dataclass(slots=True, frozen=True)
class Sale:
    """A transaction that was approved, reversed since or not, as a settlement looks at it.

    `amount` is what the merchant is to have, `fee` what its shipping costs the merchant.
    """

    store_id: str
    transaction_id: UUID
    type: TransactionType
    receipt_number: str
    business_date: date
    reference: str
    tracking_number: str
    merchant_code: str
    merchant: str
    merchant_reference: str
    amount: int
    fee: int
    sold_at: datetime
    told_at: datetime | None
    reversed_at: datetime | None
    reversal_told_at: datetime | None
    sale_settled: bool = False
    reversal_settled: bool = False


@dataclass(slots=True, frozen=True)
class Line:
    """A frozen line. `late`: its day lies before the week, and it could not be settled in its own."""

    kind: LineKind
    sale: Sale
    amount: int
    fee: int
    happened_at: datetime
    told_at: datetime
    late: bool


def lines_due(sale: Sale, week: Week) -> list[Line]:
    """What a week settles of a sale: nothing, the sale, its reversal, or both, which then add up to nothing.

    A reversal of what an earlier week has settled is a line of its own week, by the day on which it was made.
    """
    lines: list[Line] = []
    if not sale.sale_settled and sale.business_date <= week.through and _is_told(sale.told_at, week):
        assert sale.told_at is not None  # _is_told has looked at it
        late = sale.business_date < week.begins
        lines.append(Line(LineKind.SALE, sale, sale.amount, sale.fee, sale.sold_at, sale.told_at, late))
    if sale.reversed_at is None or sale.reversal_settled or not _is_told(sale.reversal_told_at, week):
        return lines
    assert sale.reversal_told_at is not None  # _is_told has looked at it
    day = sale.reversed_at.astimezone(_PHILIPPINE_TIME).date()
    if lines or (sale.sale_settled and day <= week.through):
        late = lines[0].late if lines else day < week.begins
        taken_back = (-sale.amount, -sale.fee, sale.reversed_at, sale.reversal_told_at, late)
        lines.append(Line(LineKind.REVERSAL, sale, *taken_back))
    return lines


def _is_told(moment: datetime | None, week: Week) -> bool:
    return moment is not None and moment < week.told_before


def open_since(sale: Sale, lines: Iterable[Line]) -> datetime | None:
    """Since when something of a sale is left for a later week; None where nothing is."""
    kinds = {line.kind for line in lines}
    if not sale.sale_settled and LineKind.SALE not in kinds:
        return sale.sold_at
    if sale.reversed_at is not None and not sale.reversal_settled and LineKind.REVERSAL not in kinds:
        return sale.reversed_at
    return None


@dataclass(slots=True)
class Account:
    """A merchant's week: what was collected, what of it was taken back, and the shipping fees."""

    merchant_code: str
    merchant: str
    collected: int = 0
    reversed: int = 0
    fees: int = 0
    lines: int = 0

    def add(self, line: Line) -> None:
        self.merchant = line.sale.merchant
        self.lines += 1
        self.fees += line.fee
        if line.kind is LineKind.SALE:
            self.collected += line.amount
        else:
            self.reversed -= line.amount

    @property
    def payable(self) -> int:
        """What is transferred to the merchant. Fees go the other way, and are not kept back from it."""
        return max(self.collected - self.reversed, 0) + max(-self.fees, 0)

    @property
    def due(self) -> int:
        """What the merchant transfers: shipping fees, and what more was taken back than collected."""
        return max(self.fees, 0) + max(self.reversed - self.collected, 0)


def signed(centavos: int) -> str:
    """An amount as a settlement shows it, with a minus sign where something is taken back."""
    whole, rest = divmod(abs(centavos), 100)
    return f"{'-' if centavos < 0 else ''}{whole}.{rest:02d}"
