"""What a page preloads: its script's modules, all of them and no others."""

import re

from frontend.assets import load

LATER = re.compile(r'import\("\./([\w-]+\.js)"\)')
"""What a script imports only if it is asked to, and so no page preloads."""


def test_a_page_preloads_the_modules_that_its_script_imports_and_no_others() -> None:
    assets = load()
    for entry in ("page.js", "board.js"):
        modules = assets.modules(entry)
        texts = [assets.files[name].decode() for name in modules]
        imported = {name for text in texts for name in re.findall(r'"\./([\w-]+\.js)"', text)}
        # A type that is imported for a comment is no module to fetch.
        commented = {
            name for text in texts for name in re.findall(r'@import \{.*\} from "\./(.*)"', text)
        }
        later = {name for text in texts for name in LATER.findall(text)}
        assert imported - commented - later <= set(modules) - {entry} <= imported
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
