"""Run the auditor: `python -m auditor`."""

from runtime.process import run

from .app import create_app
from .settings import Settings


def main() -> None:
    """The console script."""
    run("auditor", create_app, Settings)


if __name__ == "__main__":
    main()
