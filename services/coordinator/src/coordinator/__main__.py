"""Run the coordinator: `python -m coordinator`."""

from runtime.process import run

from .app import create_app
from .settings import Settings


def main() -> None:
    """The console script."""
    run("coordinator", create_app, Settings)


if __name__ == "__main__":
    main()
