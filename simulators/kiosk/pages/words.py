"""Times and statuses in a customer's words."""

from datetime import datetime

from ...web.texts import Translate
from ...wire import PHILIPPINE_TIME

_STATUSES: dict[str, tuple[int, str]] = {
    "CREATED/CONFIRMED": (1, "created"),
    "CANCELLED": (0, "cancelled"),
    "REJECTED": (0, "cancelled"),
    "FOR DROP OFF": (1, "for-drop-off"),
    "DROPPED OFF": (1, "dropped-off"),
    "FOR PICK UP": (1, "created"),
    "DELIVERED TO WAREHOUSE": (2, "warehouse"),
    "DELIVERED TO WAREHOUSE_REGIONAL": (2, "warehouse"),
    "FOR DELIVERY": (2, "warehouse"),
    "IN-TRANSIT": (2, "on-the-way"),
    "IN-TRANSIT_REGIONAL": (2, "on-the-way"),
    "ON VEHICLE TO STORE": (2, "on-the-way"),
    "ARRIVED AT STORE": (2, "arriving"),
    "DELIVERED TO STORE": (3, "at-store"),
    "CLAIMED": (4, "claimed"),
    "FOR PULL OUT": (0, "going-back"),
    "PULLED OUT FROM STORE": (0, "going-back"),
    "FOR RETURN TO MERCHANT": (0, "going-back"),
    "ON VEHICLE TO MERCHANT": (0, "going-back"),
    "RETURNED TO MERCHANT": (0, "back"),
    "ARRIVED AT MERCHANT": (0, "back"),
    "FOR RETURN": (0, "for-return"),
    "RETURNED": (0, "returned"),
}
STAGES = (1, 2, 3, 4)


def status_of(status: str) -> tuple[int, str]:
    """The stage of STAGES that a published status belongs to (0: none of them), and its key in the texts.

    A status that says nothing of the direction (a warehouse lies on every way) is in no stage.
    """
    stage, word = _STATUSES.get(status, (0, "other"))
    return stage, f"status.{word}"


def say_moment(t: Translate, rfc3339: str) -> str:
    """A time of the wire as it is said in the Philippines."""
    at = datetime.fromisoformat(rfc3339).astimezone(PHILIPPINE_TIME)
    hour = at.strftime("%I:%M %p").lstrip("0")
    return t("moment", month=t(f"month.{at.month}"), day=at.day, year=at.year, time=hour)
