"""Errors in ECMS's style, `{"errorCode","message"}` with the HTTP status alike."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable

from aiohttp import web

from .messages import Refusal

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def error_answer(status: int, message: str, code: str | None = None) -> web.Response:
    """An error in ECMS's style."""
    told = {"errorCode": str(status), "message": message}
    response = web.json_response(told if code is None else told | {"code": code}, status=status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@web.middleware
async def errors_in_ecms_style(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every refusal, aiohttp's own too, into ECMS's `{"errorCode","message"}`."""
    try:
        return await handler(request)
    except Refusal as exc:
        return error_answer(exc.status, exc.message, exc.code)
    except web.HTTPException as exc:
        answer = error_answer(exc.status, exc.reason)
        if "Allow" in exc.headers:
            answer.headers["Allow"] = exc.headers["Allow"]
        return answer
    except sqlite3.Error:
        _log.exception("the data file cannot be used")
        return error_answer(503, "ECMS cannot reach its records.")
    except Exception:  # noqa: BLE001 - a simulator that fails says so and goes on
        _log.exception("%s %s failed", request.method, request.rel_url.path)
        return error_answer(500, "Internal error.")
