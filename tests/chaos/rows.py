"""All rows of the table, in its order."""

from . import (
    bus,
    clocks,
    cluster,
    commands,
    coordinators,
    crowds,
    description,
    disk,
    durability,
    flood,
    forgery,
    garbage,
    hung,
    network,
    poison,
    schedulers,
    store_full,
)
from .containers import ROW as CONTAINERS
from .row import Row
from .soak import ROW as SOAK

__all__ = ["CONTAINERS", "ROWS", "SOAK"]

ROWS: list[Row] = [
    *schedulers.ROWS,
    *clocks.ROWS,
    *commands.ROWS,
    *coordinators.ROWS,
    *hung.ROWS,
    *bus.ROWS,
    *cluster.ROWS,
    *durability.ROWS,
    *network.ROWS,
    *crowds.ROWS,
    *flood.ROWS,
    *garbage.ROWS,
    *poison.ROWS,
    *forgery.ROWS,
    *description.ROWS,
    *disk.ROWS,
    *store_full.ROWS,
]
