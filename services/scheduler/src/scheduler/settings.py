"""What the scheduler can be told."""

from runtime.settings import Port
from runtime.settings import Settings as ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """The scheduler's settings; its port serves health and metrics only."""

    port: Port = 8081
