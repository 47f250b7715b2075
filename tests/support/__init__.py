"""What all kinds of tests share: ports, processes, a nats-server, viewers, waiting."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
"""The repository."""
