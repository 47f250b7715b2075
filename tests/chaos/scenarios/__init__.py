"""All scenarios, in the order of the failure table."""

from ..scenario import Scenario
from . import (
    abuse,
    api_fuzzing,
    change_races,
    clocks,
    cluster,
    cluster_outages,
    command_races,
    coordinators,
    disk,
    durability,
    flood,
    forgery,
    garbage,
    held,
    hung,
    nats_outages,
    network,
    partitions,
    planned_holds,
    poison,
    schedulers,
    slow_viewers,
    store_full,
    workers,
)
from .containers import SCENARIO as CONTAINERS
from .soak import SCENARIO as SOAK

__all__ = ["ALL", "CONTAINERS", "LOCAL", "SOAK"]

LOCAL: list[Scenario] = [
    *schedulers.SCENARIOS,
    *clocks.SCENARIOS,
    *command_races.SCENARIOS,
    *held.SCENARIOS,
    *change_races.SCENARIOS,
    *planned_holds.SCENARIOS,
    *coordinators.SCENARIOS,
    *workers.SCENARIOS,
    *hung.SCENARIOS,
    *nats_outages.SCENARIOS,
    *cluster.SCENARIOS,
    *cluster_outages.SCENARIOS,
    *partitions.SCENARIOS,
    *durability.SCENARIOS,
    *network.SCENARIOS,
    *slow_viewers.SCENARIOS,
    *flood.SCENARIOS,
    *abuse.SCENARIOS,
    *garbage.SCENARIOS,
    *poison.SCENARIOS,
    *forgery.SCENARIOS,
    *api_fuzzing.SCENARIOS,
    *disk.SCENARIOS,
    *store_full.SCENARIOS,
    SOAK,
]
"""Those that need no Docker engine: the test suite runs each of them briefly."""

ALL: list[Scenario] = [*(one for one in LOCAL if one is not SOAK), CONTAINERS, SOAK]
