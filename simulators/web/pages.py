"""An application of pages: templates, translations, static files, and headers that keep strangers out.

The pages have no log-in: they are for the machine that they run on. What guards them is that they listen on
loopback, answer under their own names alone, and take nothing from another site's page.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp_jinja2
import jinja2
from aiohttp import web

from .texts import LANGUAGES, Texts

LANGUAGE_COOKIE = "language"

_HERE = Path(__file__).parent
_SHARED_STATIC = _HERE / "static"
_TEXTS: web.AppKey[Texts] = web.AppKey("texts", Texts)
_HOSTS: web.AppKey[frozenset[str]] = web.AppKey("hosts", frozenset)

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def setup_pages(
    app: web.Application,
    package: Path,
    *,
    prefix: str = "",
    hosts: frozenset[str] = frozenset(),
    globals_: Mapping[str, Any] | None = None,
) -> None:
    """Makes `app` one of pages whose `templates/`, `static/` and `texts/` lie in the directory `package`.

    `prefix` is where the application is mounted, if not at the root; `hosts` are names besides loopback's under which
    it answers; `globals_` are names that every template knows. A template knows besides: `t` (Translate), `language`,
    `languages`, `request`, `own(file)` and `shared(file)` (addresses of static files), `here` (path and query).
    """
    app[_TEXTS] = Texts(_HERE / "texts", package / "texts")
    app[_HOSTS] = frozenset({"localhost", *hosts})
    loaders = [jinja2.FileSystemLoader(package / "templates"), jinja2.FileSystemLoader(_HERE / "templates")]
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.ChoiceLoader(loaders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        {
            "prefix": prefix,
            "own": lambda file: f"{prefix}/static/{file}",
            "shared": lambda file: f"{prefix}/shared/{file}",
            "languages": LANGUAGES,
            **(globals_ or {}),
        }
    )
    app.router.add_static("/shared", _SHARED_STATIC)
    if (package / "static").is_dir():
        app.router.add_static("/static", package / "static")
    app.router.add_post("/language/{tag}", _choose_language)
    app.middlewares.extend([_own_site_alone, _problems_as_pages])
    app.on_response_prepare.append(_secure)


def page(request: web.Request, template: str, status: int = 200, /, **values: Any) -> web.Response:
    """A rendered page, or a part of one for htmx."""
    language = language_of(request)
    translate = request.config_dict[_TEXTS].translator(language)
    known = {"request": request, "t": translate, "language": language, "here": request.rel_url}
    return aiohttp_jinja2.render_template(template, request, known | values, status=status)


def language_of(request: web.Request) -> str:
    """The tag of the language that this browser has chosen."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else next(iter(LANGUAGES))


async def _choose_language(request: web.Request) -> web.StreamResponse:
    tag = request.match_info["tag"]
    if tag not in LANGUAGES:
        raise web.HTTPNotFound
    back = str((await request.post()).get("back", "/"))
    # Another site's address would make this an open redirect; "//" and "/\" begin one too.
    inside = back.startswith("/") and not back.startswith(("//", "/\\"))
    answer = web.HTTPSeeOther(back if inside else "/")
    answer.set_cookie(LANGUAGE_COOKIE, tag, httponly=True, samesite="Strict", path="/")
    raise answer


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    resource = request.match_info.route.resource
    fixed = resource is not None and resource.canonical.endswith(("/static", "/shared"))
    font = fixed and request.path.endswith((".woff2", ".ttf"))
    response.headers.setdefault("Cache-Control", "max-age=86400" if font else "no-cache" if fixed else "no-store")


@web.middleware
async def _own_site_alone(request: web.Request, handler: _Handler) -> web.StreamResponse:
    # A name that somebody else resolved to loopback would make that somebody's script a part of this site.
    host = urlsplit(f"//{request.host}").hostname or ""
    if not _is_loopback(host) and host not in request.config_dict[_HOSTS]:
        raise web.HTTPMisdirectedRequest
    if request.method not in {"GET", "HEAD"}:
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        origin = request.headers.get("Origin")
        if site not in {"same-origin", "none"} or origin not in {None, f"{request.scheme}://{request.host}"}:
            raise web.HTTPForbidden
    return await handler(request)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@web.middleware
async def _problems_as_pages(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Shows aiohttp's own refusals (404, 405, 413 ...) as a page of this look."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = page(request, "problem.html", error.status, reason=error.reason)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
