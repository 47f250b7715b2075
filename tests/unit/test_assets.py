"""What a page loads: its script's modules, all of them and no others, without their comments."""

import gzip
import re
from importlib import resources

from aiohttp import web
from pytest_aiohttp import AiohttpClient

from frontend.assets import ASSETS, load, serve, without_comments

LATER = re.compile(r'import\("\./([\w-]+\.js)"\)')
"""What a script imports only if it is asked to, and so no page preloads."""


def test_a_page_preloads_the_modules_that_its_script_imports_and_no_others() -> None:
    assets = load()
    for entry in ("page.js", "board.js"):
        modules = assets.modules(entry)
        texts = [assets.files[name].decode() for name in modules]
        imported = {name for text in texts for name in re.findall(r'"\./([\w-]+\.js)"', text)}
        later = {name for text in texts for name in LATER.findall(text)}
        assert imported - later <= set(modules) - {entry} <= imported
    assert "board.js" not in assets.modules("page.js")
    assert "page.js" not in assets.modules("board.js")


def test_every_module_is_of_some_page() -> None:
    assets = load()
    scripts = {name for name in assets.files if name.endswith(".js")}
    used = {*assets.modules("page.js"), *assets.modules("board.js")}
    texts = [assets.files[name].decode() for name in scripts]
    later = {name for text in texts for name in LATER.findall(text)}
    assert scripts - used - later == {"fallback.js", "board-fallback.js"}
    assert later == {"shown-reports.js"}


def test_comments_are_left_out_and_every_line_keeps_its_number() -> None:
    script = """/**
 * What it is.
 */
const scheme = "wss://"; // said here

  // why
  const url = `${scheme}/*`;
  /** @type {Element} */ (url).href = "*/";
"""
    expected = """


const scheme = "wss://"; // said here


  const url = `${scheme}/*`;
 (url).href = "*/";
"""
    assert without_comments(script) == expected


def test_no_comment_that_begins_a_line_is_served() -> None:
    static = resources.files("frontend").joinpath("static")
    for name, served in load().files.items():
        assert served.count(b"\n") == static.joinpath(name).read_bytes().count(b"\n")
        assert not re.search(rb"^\s*(//|/\*)", served, re.MULTILINE), name


async def test_a_file_is_compressed_for_whoever_takes_that(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app[ASSETS] = assets = load()
    app.router.add_get("/static/{version}/{name}", serve)
    client = await aiohttp_client(app, auto_decompress=False)
    for encoding, body in (("gzip", assets.compressed), ("identity", assets.files)):
        headers = {"Accept-Encoding": encoding}
        response = await client.get(f"/static/{assets.version}/page.js", headers=headers)
        assert await response.read() == body["page.js"]
        assert response.headers.get("Content-Encoding", "identity") == encoding
        assert response.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(assets.compressed["page.js"]) == assets.files["page.js"]
