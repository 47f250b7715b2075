"""Draws the plots of docs/performance.md: `plots.py RESULTS FOLDER`, where matplotlib is."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

# The benchmark's own environment has it; the project's has not.
import matplotlib as mpl  # type: ignore[import-not-found]
from matplotlib import pyplot as plt

mpl.use("Agg")


class Steady(TypedDict):
    """What is plotted of a steady stream."""

    cpu_us_a_frame: float
    late_ms: list[float]


class Crowd(TypedDict):
    """What is plotted of a server with a crowd."""

    server: str
    viewers: int
    bytes_a_viewer: float
    steady: Steady


LATEST_MS = 60
"""Where the plot of latency ends: the queue of a server that can't keep up goes on beyond."""
COLOURS = {
    "limit": "#555555",
    "tminus": "#d6336c",
    "bun": "#e8870e",
    "node": "#2b8a3e",
    "websockets": "#1971c2",
    "nats": "#0b7285",
    "centrifuge": "#7048e8",
    "workerd": "#846358",
    "picows": "#74b816",
    "aiohttp": "#15aabf",
    "starlette": "#c084fc",
    "socketio": "#adb5bd",
    "phoenix": "#fab005",
}
NAMES = {
    "limit": "C loop of send()",
    "tminus": "tminus",
    "bun": "Bun",
    "node": "Node ws",
    "websockets": "websockets (Python)",
    "nats": "nats-server",
    "centrifuge": "Centrifuge (Go)",
    "workerd": "workerd",
    "picows": "picows (Python)",
    "aiohttp": "aiohttp (Python)",
    "starlette": "Starlette (Python)",
    "socketio": "python-socketio",
    "phoenix": "Phoenix",
}


def main(results: Path, folder: Path) -> None:
    """Draw all three."""
    found = json.loads(results.read_text())
    crowds: list[Crowd] = [crowd for crowds in found["crowds"].values() for crowd in crowds]
    plt.rcParams.update(
        {
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "tminus",
        }
    )
    by_viewers(
        crowds,
        lambda crowd: crowd["steady"]["cpu_us_a_frame"],
        "Processor time a delivered frame",
        "µs, logarithmic",
        folder / "performance-cpu.png",
    )
    by_viewers(
        [crowd for crowd in crowds if crowd["server"] != "limit"],
        lambda crowd: crowd["bytes_a_viewer"] / 1000,
        "Resident memory a viewer",
        "KB, logarithmic",
        folder / "performance-memory.png",
    )
    latency(
        [crowd for crowd in crowds if crowd["viewers"] == 1000], folder / "performance-latency.png"
    )


def by_viewers(
    crowds: list[Crowd],
    value: Callable[[Crowd], float],
    title: str,
    unit: str,
    file: Path,
) -> None:
    """A line for each server; ours on top of the others, and thicker."""
    figure, axes = plt.subplots(figsize=(9, 5))
    for server, colour in COLOURS.items():
        points = sorted(
            (crowd["viewers"], value(crowd)) for crowd in crowds if crowd["server"] == server
        )
        if points:
            is_ours = server == "tminus"
            axes.plot(
                *zip(*points, strict=True),
                color=colour,
                label=NAMES[server],
                marker="o",
                linewidth=3 if is_ours else 1.6,
                linestyle="--" if server == "limit" else "-",
                zorder=3 if is_ours else 2,
            )
    axes.set_xscale("log")
    axes.set_xticks(sorted({crowd["viewers"] for crowd in crowds}))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.minorticks_off()
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if f"{y:e}"[0] in "25" else "")
    axes.set_xlabel("viewers")
    axes.set_ylabel(unit)
    finish(figure, axes, title, file)


def latency(crowds: list[Crowd], file: Path) -> None:
    """How many of the frames have come after so many milliseconds."""
    figure, axes = plt.subplots(figsize=(9, 5))
    for server, colour in COLOURS.items():
        for crowd in crowds:
            if crowd["server"] == server:
                steps = crowd["steady"]["late_ms"][:200]
                axes.plot(
                    steps,
                    [index / 2 for index in range(len(steps))],
                    color=colour,
                    label=NAMES[server],
                    linewidth=3 if server == "tminus" else 1.6,
                    linestyle="--" if server == "limit" else "-",
                    zorder=3 if server == "tminus" else 2,
                )
    axes.set_xlim(0, LATEST_MS)
    axes.set_ylim(0, 100)
    axes.set_xlabel("ms from publishing to receiving")
    axes.set_ylabel("% of the frames received")
    finish(figure, axes, "Latency, 1,000 viewers, 20 messages a second", file)


def finish(figure: plt.Figure, axes: plt.Axes, title: str, file: Path) -> None:
    """What all plots have in common."""
    axes.set_title(title, loc="left", fontweight="bold")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(file, dpi=130, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
