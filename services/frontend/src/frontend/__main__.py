"""Runs the frontend: `python -m frontend`."""

from runtime import process

from .app import create_app
from .settings import Settings


def main() -> None:
    """The console script."""
    process.run("frontend", create_app, Settings)


if __name__ == "__main__":
    main()
