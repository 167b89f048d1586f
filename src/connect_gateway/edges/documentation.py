"""`/openapi.json`, and `/docs`: the page that shows it, Swagger UI from the installation, nothing from elsewhere."""

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from aiohttp import web

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.demo_parcels import BUSINESS_DATE
from connect_gateway.edges.gateway import Gateway

FILES = {
    "docs.js": ("docs.js", "text/javascript"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript"),
    "favicon-32x32.png": ("swagger-ui/favicon-32x32.png", "image/png"),
}
"""What the page is made of: where it lies below `static/`, and its type."""

_HEADERS = {
    "Cache-Control": "max-age=3600",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class DocumentationEdge:
    """The document and its page; nobody needs a token for them."""

    def __init__(self, gateway: Gateway, document: Callable[[], dict[str, Any]]) -> None:
        self._gateway = gateway
        self._document = document

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/openapi.json", self.document),
            web.get("/docs", self.page),
            web.get("/docs/{file}", self.file),
        ]

    async def document(self, _request: web.Request) -> web.Response:
        """The OpenAPI document; its examples' business date is today's, so that they can be tried as they are."""
        today = self._gateway.now().astimezone(PHILIPPINE_TIME).date()
        text = json.dumps(self._document(), ensure_ascii=False).replace(f'"{BUSINESS_DATE}"', f'"{today}"')
        return web.Response(text=text, content_type="application/json")

    async def page(self, _request: web.Request) -> web.Response:
        """The page."""
        return web.Response(body=_read("docs.html"), content_type="text/html", charset="utf-8", headers=_HEADERS)

    async def file(self, request: web.Request) -> web.Response:
        """One of the files that the page is made of."""
        found = FILES.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        place, content_type = found
        charset = "utf-8" if content_type.startswith("text/") else None
        return web.Response(body=_read(place), content_type=content_type, charset=charset, headers=_HEADERS)


@cache
def _read(place: str) -> bytes:
    return (files("connect_gateway") / "static" / place).read_bytes()
