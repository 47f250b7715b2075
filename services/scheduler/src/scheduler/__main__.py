"""Run the scheduler: `python -m scheduler`."""

from runtime.process import run

from .app import create_app
from .settings import Settings


def main() -> None:
    """The console script."""
    run("scheduler", create_app, Settings)


if __name__ == "__main__":
    main()
