"""What the pages of all simulators stand on: headers, languages, strangers kept out. Under 1 s."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import connect_simulators
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from connect_simulators.web import LANGUAGES, Texts, page, read_pages_config, setup_pages

SIMULATORS = Path(connect_simulators.__file__).parent
TRANSLATED = [directory for directory in SIMULATORS.rglob("texts") if (directory / "fil.json").exists()]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "templates").mkdir()
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "own.css").write_text("p { color: red; }")
    (tmp_path / "templates" / "start.html").write_text(
        '{% extends "base.html" %}{% block title %}{{ t("home") }}{% endblock %}'
        '{% block main %}<p>{{ name }}</p>{% include "languages.html" %}{% endblock %}'
    )

    async def start(request: web.Request) -> web.Response:
        return page(request, "start.html", name="<b>& co</b>")

    async def change(request: web.Request) -> web.Response:
        return web.Response(text="changed")

    inner, app = web.Application(), web.Application()
    inner.router.add_get("/", start)
    inner.router.add_post("/change", change)
    setup_pages(inner, tmp_path, prefix="/inner")
    app.add_subapp("/inner", inner)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/inner"))


async def test_every_answer_carries_the_headers_that_keep_foreign_code_out(site: str) -> None:
    async with ClientSession() as session:
        for path, kept in (("/", "no-store"), ("/static/own.css", "no-cache"), ("/shared/base.css", "no-cache")):
            async with session.get(site + path) as answer:
                assert answer.status == 200
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'self';")
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == kept
        async with session.get(site + "/") as answer:
            text = await answer.text()
    assert "<p>&lt;b&gt;&amp; co&lt;/b&gt;</p>" in text
    assert 'href="/inner/shared/base.css"' in text
    assert "http" not in text.replace("htmx", "").replace("http-equiv", "")


async def test_a_page_that_is_not_there_is_a_page_too(site: str) -> None:
    async with ClientSession() as session:
        async with session.get(site + "/nowhere") as answer:
            assert (answer.status, answer.content_type) == (404, "text/html")
            assert "not here" in await answer.text()
        async with session.get(site + "/change") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://somebody.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "somebody.example"}, 421),
    ],
)
async def test_another_sites_page_changes_nothing(site: str, headers: dict[str, str], status: int) -> None:
    async with ClientSession() as session, session.post(site + "/change", headers=headers) as answer:
        assert answer.status == status


async def test_the_language_is_kept_and_leads_nowhere_else(site: str) -> None:
    async with ClientSession() as session:
        for back, there in (("/inner/", "/inner/"), ("//somebody.example", "/"), ("/\\somebody.example", "/")):
            async with session.post(f"{site}/language/fil", data={"back": back}, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (303, there)
        cookies = {"language": answer.cookies["language"].value}
        async with session.get(site + "/", cookies=cookies) as answer:
            assert "<title>Simula</title>" in await answer.text()
        async with session.post(f"{site}/language/xx") as answer:
            assert answer.status == 404


def test_every_sentence_is_there_in_every_language() -> None:
    assert SIMULATORS / "web" / "texts" in TRANSLATED
    for directory in TRANSLATED:
        sentences = {tag: json.loads((directory / f"{tag}.json").read_text("utf-8")) for tag in LANGUAGES}
        first, *others = sentences.values()
        for other in others:
            assert other.keys() == first.keys(), directory
            for key, sentence in other.items():
                assert _names(sentence) == _names(first[key]), (directory, key)


def _names(sentence: str) -> set[str]:
    return {part.partition("}")[0] for part in sentence.split("{")[1:]}


def test_an_unknown_key_is_an_error_and_a_missing_language_falls_back(tmp_path: Path) -> None:
    (tmp_path / "en.json").write_text('{"greeting": "Hello, {name}"}')
    translate = Texts(tmp_path).translator("fil")
    assert translate("greeting", name="Ana") == "Hello, Ana"
    with pytest.raises(KeyError):
        translate("no such key")


def test_settings_that_lack_something_say_what(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    whole = {"host": "127.0.0.1", "port": 0, "gateway": "http://127.0.0.1:1", "dataDir": str(tmp_path)}
    client = {"clientId": "kiosk", "clientSecret": "s", "storeId": "0166"}
    file.write_text(json.dumps(whole | {"client": client}))
    assert read_pages_config(file).client.store_id == "0166"
    for broken in ("no JSON", "[]", json.dumps(whole), json.dumps(whole | {"client": client, "port": "8080"})):
        file.write_text(broken)
        with pytest.raises(ValueError, match="JSON|client|host|port"):
            read_pages_config(file)


# Each text of the look and the grounds that it stands on.
_PAIRS = [
    *(("ink", ground) for ground in ("ground", "surface", "surface-2", "brand-soft", "amber")),
    *(("ink-soft", ground) for ground in ("ground", "surface")),
    *(("ink-faint", ground) for ground in ("ground", "surface")),
    *(("on-dark", ground) for ground in ("brand", "brand-strong", "green", "red", "blue")),
    ("brand", "surface"),
    *((f"{colour}-ink", f"{colour}-soft") for colour in ("green", "amber", "red", "blue")),
]


@pytest.mark.parametrize(("text", "ground"), _PAIRS)
def test_every_text_can_be_read_on_its_ground(text: str, ground: str) -> None:
    look = (SIMULATORS / "web" / "static" / "base.css").read_text("utf-8")
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", look))
    lighter, darker = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
