"""For those who run it: health, readiness, metrics, the work list, and, in the sandbox alone, the clock."""

from typing import Any

import asyncpg
from aiohttp import web

from connect_gateway.clock import SettableClock
from connect_gateway.edges.answers import format_time
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import body_of
from connect_gateway.edges.parsing import Message, MomentField, parse_message, parse_uuid
from connect_gateway.edges.problems import Problem, json_response
from connect_gateway.ledger import events, migrate, sandbox_clock, tasks
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Unavailable, connection_of, is_away
from connect_gateway.ledger.tasks import Task


class ClockSetting(Message):
    """`PUT /sandbox/v1/clock`."""

    now: MomentField


class OperatingEdge:
    """Health pages, metrics and `/admin/v1`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        routes = [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
            web.get("/admin/v1/tasks", self.tasks, allow_head=False),
            web.post("/admin/v1/tasks/{taskId}/resend", self.resend),
            web.post("/admin/v1/tasks/{taskId}/close", self.close),
        ]
        if self._gateway.sandbox:
            routes.append(web.put("/sandbox/v1/clock", self.set_clock))
        return routes

    async def alive(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return json_response({"status": "alive"})

    async def ready(self, _request: web.Request) -> web.Response:
        """The database answers and has this program's schema."""
        try:
            async with connection_of(self._gateway.pool) as connection:
                await connection.fetchval("SELECT 1", timeout=STATEMENT_TIMEOUT_S)
                missing = await migrate.pending(connection)  # type: ignore[arg-type]
        except (Unavailable, asyncpg.PostgresError) as error:
            if not isinstance(error, Unavailable) and not is_away(error):
                raise
            return json_response({"status": "database-unavailable"}, 503)
        if missing:
            return json_response({"status": "not-migrated", "pending": [one.version for one in missing]}, 503)
        return json_response({"status": "ready"})

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus's page."""
        try:
            waiting = await events.backlog(self._gateway.pool)
            open_tasks = len(await tasks.open_tasks(self._gateway.pool))
        except Unavailable:
            # The page tells of the requests even while the database is away; the gauges keep what was known.
            return self._page()
        self._gateway.metrics.backlog(waiting["WAITING"], waiting["REFUSED"], open_tasks)
        return self._page()

    def _page(self) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._gateway.metrics.page(), headers=headers)

    async def tasks(self, request: web.Request) -> web.Response:
        """The work list: whatever waits for a person, oldest first."""
        await self._gateway.authorize(request, "admin")
        found = await tasks.open_tasks(self._gateway.pool)
        return json_response({"tasks": [_task_body(task) for task in found]})

    async def resend(self, request: web.Request) -> web.Response:
        """Puts the event that a task is about back on the road to ECMS, and closes the task."""
        return await self._close(request, resend=True)

    async def close(self, request: web.Request) -> web.Response:
        """Closes a task that a person has looked after; one about an event ends by sending it again alone."""
        return await self._close(request, resend=False)

    async def _close(self, request: web.Request, *, resend: bool) -> web.Response:
        client = await self._gateway.authorize(request, "admin")
        task_id = parse_uuid(request.match_info["taskId"], "taskId")
        gateway = self._gateway
        closed = await tasks.close(gateway.pool, task_id, client.client_id, gateway.now(), resend=resend)
        task = await tasks.get(gateway.pool, task_id)
        if task is None:
            raise Problem("unknown-task", "there is no such task")
        if not closed:
            raise Problem("task-not-closable", "the task is closed already, or is not ended in this way")
        if resend:
            gateway.wake_relay()
        return json_response(_task_body(task))

    async def set_clock(self, request: web.Request) -> web.Response:
        """The sandbox's time."""
        await self._gateway.authorize(request, "ecms", "admin")
        message = parse_message(ClockSetting, await body_of(request))
        assert isinstance(self._gateway.clock, SettableClock)
        self._gateway.clock.set(message.now)
        await sandbox_clock.keep(self._gateway.pool, self._gateway.clock.ahead)
        return web.Response(status=204)


def _task_body(task: Task) -> dict[str, Any]:
    return {
        "taskId": str(task.task_id),
        "kind": task.kind,
        "subject": task.subject,
        "detail": task.detail,
        "openedAt": format_time(task.opened_at),
        "closedAt": None if task.closed_at is None else format_time(task.closed_at),
        "closedBy": task.closed_by,
    }
