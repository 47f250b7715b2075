"""The page's files, under an address that changes with their content, so they cache for ever."""

import gzip
import hashlib
import mimetypes
import re
from importlib import resources

from aiohttp import web
from msgspec import Struct

# Only comments that begin a line, so that nothing in a string is taken for one.
_COMMENT = re.compile(r"^[ \t]*(?://.*|/\*[\s\S]*?\*/)", re.MULTILINE)
_IMPORT = re.compile(rb'^import .* from "\./([\w.-]+)";$', re.MULTILINE)
_FOR_EVER = "public, max-age=31536000, immutable"


class Assets(Struct, frozen=True):
    """All files of `static/` in memory: `version` is a digest of them all.

    They are served without their comments, which would be a third of what is transferred."""

    version: str
    files: dict[str, bytes]
    compressed: dict[str, bytes]

    def modules(self, entry: str) -> list[str]:
        """The names of the ES module `entry` and of those that it imports, for the browser to fetch
        at once."""
        found, following = set[str](), [entry]
        while following:
            name = following.pop()
            if name not in found:
                found.add(name)
                following += [other.decode() for other in _IMPORT.findall(self.files[name])]
        return sorted(found)


ASSETS = web.AppKey("assets", Assets)


def load() -> Assets:
    """Read the files that the package carries."""
    files = {
        entry.name: without_comments(entry.read_text()).encode()
        for entry in resources.files("frontend").joinpath("static").iterdir()
        if entry.is_file()
    }
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name] + b"\0")
    compressed = {name: gzip.compress(body, mtime=0) for name, body in files.items()}
    return Assets(digest.hexdigest()[:12], files, compressed)


def without_comments(text: str) -> str:
    """A script or stylesheet for browsers, line by line, so that errors name the right one."""
    return _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)


async def serve(request: web.Request) -> web.Response:
    """One of the files; uncached if the version differs, while replicas are being replaced."""
    assets, name = request.app[ASSETS], request.match_info["name"]
    if name not in assets.files:
        raise web.HTTPNotFound
    is_current = request.match_info["version"] == assets.version
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    response = web.Response(
        body=assets.files[name],
        content_type=kind or "application/octet-stream",
        charset="utf-8",
        headers={
            "Cache-Control": _FOR_EVER if is_current else "no-store",
            "Vary": "Accept-Encoding",
        },
    )
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.body = assets.compressed[name]
        response.headers["Content-Encoding"] = "gzip"
    return response
