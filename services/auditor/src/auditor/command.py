"""What the programs of the command line have in common: the front door that they take."""

import argparse
import os

from runtime.settings import SettingsError, load

from .canary.front import Front, front
from .settings import Settings


def from_command(parser: argparse.ArgumentParser, url: str, room: str) -> Front:
    """With the token of the environment, of whose other settings none counts here."""
    own = {name: os.environ[name] for name in os.environ if name.startswith("CONTROL_TOKEN")}
    try:
        return front(url, room, load(Settings, own).control_token)
    except (ValueError, SettingsError) as error:
        parser.error(str(error))
