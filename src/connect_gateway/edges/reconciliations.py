"""`GET /admin/v1/reconciliations/{businessDate}`: the newest report of a business date."""

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import in_time
from connect_gateway.edges.parsing import DateField
from connect_gateway.edges.problems import Problem, malformed
from connect_gateway.ledger import reconciliation

_DATE: TypeAdapter[DateField] = TypeAdapter(DateField)


class ReconciliationEdge:
    """The route of `/admin/v1/reconciliations`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        path = "/admin/v1/reconciliations/{businessDate}"
        return [web.get(path, in_time(self.show), allow_head=False)]

    async def show(self, request: web.Request) -> web.Response:
        """The report as `connect-gateway reconcile` made it last."""
        await self._gateway.authorize(request, "admin")
        try:
            business_date = _DATE.validate_python(request.match_info["businessDate"])
        except ValidationError as error:
            raise malformed("businessDate in the path cannot be read", "businessDate") from error
        report = await reconciliation.kept(self._gateway.pool, business_date)
        if report is None:
            raise Problem("unknown-reconciliation", "this business date has not been reconciled yet")
        return web.Response(text=report, content_type="application/json")
