"""How the till stands: connection, manifest, what waits, what is in dispute."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..wire import format_amount
from .sales import ShiftState
from .standin import StandIn
from .waiting import Conflict, Queue


@dataclass(frozen=True)
class ManifestStatus:
    """The manifest as it is used; `why` is the code of the reason why it may not be."""

    manifest_id: str
    age_s: int
    max_age_s: int
    parcels: int
    why: str | None

    @property
    def usable(self) -> bool:
        """Whether parcels may be released on the strength of it."""
        return self.why is None

    def as_json(self) -> dict[str, Any]:
        """With the names of the wire."""
        return {
            "id": self.manifest_id,
            "ageSeconds": self.age_s,
            "maxAgeSeconds": self.max_age_s,
            "parcels": self.parcels,
            "usable": self.usable,
            "why": self.why,
        }


@dataclass(frozen=True)
class LimitsStatus:
    """What may still be sold without a connection; amounts are centavos."""

    max_amount: int
    max_total: int
    max_count: int
    left_total: int
    left_count: int

    def as_json(self) -> dict[str, Any]:
        """With the names of the wire."""
        return {
            "maxAmount": format_amount(self.max_amount),
            "maxTotal": format_amount(self.max_total),
            "maxCount": self.max_count,
            "leftTotal": format_amount(self.left_total),
            "leftCount": self.left_count,
        }


@dataclass(frozen=True)
class Status:
    """Everything that a till shows beside the customer's business."""

    online: bool
    since: datetime
    manifest: ManifestStatus | None
    limits: LimitsStatus | None
    waiting: int
    waiting_amount: int
    closes_waiting: int
    conflicts: list[Conflict]
    unsettled: list[str]
    training: bool
    shift: ShiftState | None
    printer: str
    printer_error: str | None

    def as_json(self) -> dict[str, Any]:
        """For `--json` and for pages."""
        return {
            "online": self.online,
            "since": self.since.isoformat(timespec="seconds"),
            "manifest": self.manifest.as_json() if self.manifest else None,
            "limits": self.limits.as_json() if self.limits else None,
            "waiting": self.waiting,
            "waitingAmount": format_amount(self.waiting_amount),
            "closesWaiting": self.closes_waiting,
            "conflicts": [each.as_json() for each in self.conflicts],
            "unsettled": self.unsettled,
            "training": self.training,
            "shift": self.shift.as_json() if self.shift else None,
            "printer": {"target": self.printer, "error": self.printer_error},
        }


def manifest_status(stand_in: StandIn, now: datetime) -> ManifestStatus | None:
    """The manifest's state; None where there is none."""
    manifest = stand_in.manifest
    if manifest.issued_at is None or manifest.limits is None:
        return None
    return ManifestStatus(
        manifest_id=manifest.manifest_id,
        age_s=max(0, int((now - manifest.issued_at).total_seconds())),
        max_age_s=manifest.limits.max_age_s,
        parcels=len(manifest.parcels),
        why=stand_in.unusable(),
    )


def limits_status(stand_in: StandIn, queue: Queue) -> LimitsStatus | None:
    """What the manifest's limits leave; None where there is no manifest."""
    limits = stand_in.manifest.limits
    if limits is None:
        return None
    return LimitsStatus(
        max_amount=limits.max_amount,
        max_total=limits.max_total,
        max_count=limits.max_count,
        left_total=max(0, limits.max_total - queue.total),
        left_count=max(0, limits.max_count - queue.count),
    )
