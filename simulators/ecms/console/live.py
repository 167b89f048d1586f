"""Server-sent events: the pages fetch what has changed when they hear that something has."""

import asyncio
import re
from contextlib import suppress

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from ..feed import Change
from ..simulator import SIMULATOR, Simulator

_GATHER_S = 0.3
"""Changes that come in this time are one event: a page need not be fetched for each of a thousand scans."""
_LOOK_S = 1.0
_NUMBER = re.compile(r"[0-9]{1,15}")


class Streams:
    """The streams that are open: a queue of changes for each, and None when the simulator ends."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[Change | None]] = set()


STREAMS = web.AppKey("streams", Streams)


async def end_streams(application: web.Application) -> None:
    """Ends all streams, so that they do not hold up the simulator's end."""
    for queue in application[STREAMS].queues:
        queue.put_nowait(None)


async def follow(request: web.Request) -> web.StreamResponse:
    """`GET /live?after=&parcel=`: `parcels` when any parcel changed, `parcel` when that one did, `controls` when the
    clock was set or the faults are other ones.
    """
    text = request.headers.get("Last-Event-ID") or request.query.get("after", "")
    after = int(text) if _NUMBER.fullmatch(text) else None
    simulator, streams = request.app[SIMULATOR], request.app[STREAMS]
    queue: asyncio.Queue[Change | None] = asyncio.Queue()
    taking = asyncio.create_task(_take(simulator, after, queue))
    streams.queues.add(queue)
    try:
        async with sse_response(request) as response:
            await _send(simulator, response, queue, request.query.get("parcel", ""))
    except ConnectionError:
        return response
    finally:
        streams.queues.discard(queue)
        taking.cancel()
    return response


async def _take(simulator: Simulator, after: int | None, queue: asyncio.Queue[Change | None]) -> None:
    async for change in simulator.feed.subscribe(after):
        queue.put_nowait(change)


async def _send(
    simulator: Simulator, response: EventSourceResponse, queue: asyncio.Queue[Change | None], parcel: str
) -> None:
    controls = _controls_of(simulator)
    while response.is_connected():
        changes: list[Change | None] = []
        with suppress(TimeoutError):
            changes.append(await asyncio.wait_for(queue.get(), _LOOK_S))
            await asyncio.sleep(_GATHER_S)
            changes += [queue.get_nowait() for _ in range(queue.qsize())]
        if None in changes:
            return
        if (newest := changes[-1] if changes else None) is not None:
            if any(change is not None and change.tracking_number == parcel for change in changes):
                await response.send("", event="parcel", id=str(newest.seq))
            await response.send("", event="parcels", id=str(newest.seq))
        if controls != (controls := _controls_of(simulator)):
            await response.send("", event="controls")


def _controls_of(simulator: Simulator) -> tuple[object, ...]:
    return (simulator.clock.set_at, simulator.clock.speed, simulator.faults.show())
