"""What the chart renders, as it was looked at: the default, and how each example differs."""

import difflib
import textwrap
from functools import cache
from pathlib import Path

from chart.rendering import CHART, examples, render

GOLDEN = Path(__file__).parent / "golden"


@cache
def goldens() -> dict[str, str]:
    """The text of each file."""
    default = _shown()
    texts = {"default.yaml": default}
    for name, options in examples().items():
        if name != "default":
            lines = difflib.unified_diff(default.splitlines(), _shown(*options).splitlines(), n=2)
            # Without the numbers of lines, which another change would move.
            kept = ["@@" if line.startswith("@@") else line for line in lines][2:]
            texts[f"{name}.diff"] = "\n".join(kept) + "\n"
    return texts


def _shown(*options: str) -> str:
    """A rendering without the text of deploy/nats.conf, which has tests of its own."""
    config = textwrap.indent((CHART / "files" / "nats.conf").read_text(), " " * 4, lambda _: True)
    return render(*options).replace(config.rstrip(), "    # deploy/nats.conf")


def main() -> None:
    """Write them."""
    GOLDEN.mkdir(exist_ok=True)
    for name, text in goldens().items():
        (GOLDEN / name).write_text(text)


if __name__ == "__main__":
    main()
