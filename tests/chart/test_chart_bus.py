"""NATS as the chart sets it up: its configuration on real servers, with deploy/nats.conf in it."""

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import nats
import nats.errors
import nats.js.errors
import pytest
from nats.aio.client import Client

from bus.stream import wanted
from chart.rendering import documents, environment, of_kind
from protocol import subjects
from scheduler.settings import Settings
from support import ROOT
from support.nats_server import NatsServer
from support.ports import free_ports

USERS = ("scheduler", "coordinator", "frontend", "auditor", "operator", "cluster")
SECRETS = {f"{user.upper()}_PASSWORD": str(100 + place) for place, user in enumerate(USERS)}
"""Numbers, which nats.conf reads as such unless they are quoted."""


class Server(NatsServer):
    """One server of the StatefulSet, on this machine instead of in a pod."""

    def __init__(self, folder: Path, number: int, ports: list[list[int]]) -> None:
        """`ports`: each server's for routes and for monitoring."""
        route_port, self.monitor_port = ports[number]
        found = documents()
        name = f"tminus-nats-{number}"
        files = {
            "nats-config": of_kind("ConfigMap", found)["tminus-nats-config"]["data"],
            "nats-tminus": of_kind("ConfigMap", found)["tminus-bus-config"]["data"],
        }
        here = {
            '"store_dir": "/data",': "",  # given on the command line, as its port is
            "/var/run/nats/nats.pid": f"{folder}/{name}/nats.pid",
            '"port": 6222': f'"port": {route_port}, "host": "127.0.0.1"',
            '"http_port": 8222': f'"http": "127.0.0.1:{self.monitor_port}"',
        }
        for mounted, texts in files.items():
            directory = folder / name / mounted
            directory.mkdir(parents=True)
            for file, text in texts.items():
                (directory / file).write_text(_replaced(text, here))
        pod = of_kind("StatefulSet", found)["tminus-nats"]["spec"]["template"]["spec"]
        routes = {
            f"tminus-nats-{other}.tminus-nats-headless:6222": f"127.0.0.1:{port}"
            for other, (port, _) in enumerate(ports)
        }
        env = environment(pod["containers"][0], SECRETS) | {"SERVER_NAME": name}
        super().__init__(
            folder,
            name=name,
            store=folder / name / "data",
            config=folder / name / "nats-config" / "nats.conf",
            env={key: _replaced(value, routes) for key, value in env.items()},
        )

    def varz(self) -> dict[str, Any]:
        """What it says of itself."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.monitor_port}/varz", timeout=5
        ) as page:
            return msgspec.json.decode(page.read(), type=dict[str, Any])


def _replaced(text: str, by: Mapping[str, str]) -> str:
    for there, here in by.items():
        text = text.replace(there, here)
    return text


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """All three, of which none has to lead yet."""
    free = free_ports(6)
    ports = [free[number : number + 2] for number in (0, 2, 4)]
    three = [Server(tmp_path, number, ports) for number in range(3)]
    for server in three:
        server.start()
    yield three
    for server in three:
        server.kill()


@asynccontextmanager
async def connected(server: Server, user: str) -> AsyncIterator[Client]:
    """A client, for ten seconds at most."""
    password = SECRETS[f"{user.upper()}_PASSWORD"]
    async with asyncio.timeout(10):
        client = await nats.connect(server.url, user=user, password=password)
        yield client
        await client.close()


async def test_three_servers_hold_the_stream_with_the_limits_of_nats_conf(
    servers: list[Server],
) -> None:
    async with connected(servers[0], "operator") as client:
        jetstream = client.jetstream(timeout=1)
        created = None
        while created is None:
            with suppress(nats.errors.Error, nats.js.errors.Error):  # until one leads
                created = await jetstream.add_stream(wanted(Settings(stream_replicas=3)))
    assert created.cluster is not None
    copies = {created.cluster.leader, *(peer.name for peer in created.cluster.replicas or [])}
    assert copies == {server.name for server in servers}
    varz = servers[0].varz()
    limits = varz["jetstream"]["config"]
    assert varz["max_payload"] == 64 * 1024
    assert limits["max_memory"] == 64 * 1024**2
    assert limits["max_storage"] == 4 * 1024**3
    assert limits["sync_always"] is True


async def test_each_user_has_the_password_of_the_secret_and_people_need_none(
    servers: list[Server],
) -> None:
    for password in asked_passwords():
        async with connected(servers[1], password.removesuffix("_PASSWORD").lower()):
            pass
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    async with asyncio.timeout(10):
        person = await nats.connect(servers[2].url, error_cb=refused.put)
        await person.publish(subjects.events("main"), b"{}")
        assert "permissions violation" in str(await refused.get()).lower()
        await person.close()


def asked_passwords() -> set[str]:
    """The variables of deploy/nats.conf."""
    return set(re.findall(r"password: \$(\w+)", (ROOT / "deploy" / "nats.conf").read_text()))


def test_the_pod_has_every_password_that_nats_conf_asks_for() -> None:
    pod = of_kind("StatefulSet", documents())["tminus-nats"]["spec"]["template"]["spec"]
    given = environment(pod["containers"][0], SECRETS)
    assert len(asked_passwords()) >= 4
    assert {name: given[name] for name in asked_passwords()} == {
        name: f'"{SECRETS[name]}"' for name in asked_passwords()
    }


def test_services_know_every_server_by_its_name() -> None:
    found = documents("--set=nats.config.cluster.replicas=5")
    nats_pods = of_kind("StatefulSet", found)["tminus-nats"]["spec"]
    names = [
        f"nats://tminus-nats-{number}.{nats_pods['serviceName']}:4222"
        for number in range(nats_pods["replicas"])
    ]
    assert nats_pods["serviceName"] in of_kind("Service", found)
    for deployment in of_kind("Deployment", found).values():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        (url,) = (one["value"] for one in container["env"] if one["name"] == "NATS_URL")
        assert url == ",".join(names)
