"""Logs: one line of JSON for each event, on standard error. What is named a secret never gets there."""

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRET_NAMES = frozenset(
    {"authorization", "client_secret", "access_token", "refresh_token", "token", "mobile_number", "password"}
)


_level = logging.INFO


def configure(level: str) -> None:
    """Sets logging up for this process; `level` is a name such as INFO."""
    global _level  # noqa: PLW0603 - as the logging that it sets up, it is the process's own
    _level = number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_secrets,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log on their own account; only what they find alarming is of interest.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def debugging() -> bool:
    """Whether lines of DEBUG are written; one that is not should not be put together for each request either."""
    return _level <= logging.DEBUG


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in _SECRET_NAMES & event.keys():
        event[name] = "***"
    return event
