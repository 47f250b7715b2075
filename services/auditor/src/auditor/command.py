"""What the programs of the command line have in common: the page that they are called with."""

import argparse
import os

from runtime.settings import SettingsError, load

from .canary.page import Target, target_at
from .settings import Settings


def from_command(parser: argparse.ArgumentParser, url: str, room: str) -> Target:
    """With the token of the environment, of whose other settings none counts here."""
    own = {name: os.environ[name] for name in os.environ if name.startswith("CONTROL_TOKEN")}
    try:
        return target_at(url, room, load(Settings, own).control_token)
    except (ValueError, SettingsError) as error:
        parser.error(str(error))
