"""The whole stack as processes of this machine, without Docker; Ctrl-C stops it."""

import shlex
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

import addresses
from honcho.manager import Manager  # type: ignore[import-untyped]  # honcho has no types
from processes import ROOT, Process, environment, nats, on_the_bus, ports, service

READY_SECONDS = 60.0

# A process killed with SIGKILL is restarted, as under any supervisor; one that exits by itself ends
# the stack. The trap makes the shell wait for a service that is stopping.
SUPERVISED = (
    "trap : TERM; while :; do {command}; status=$?; "
    '[ "$status" = 137 ] || exit "$status"; echo "killed: starting it again"; done'
)


def main() -> int:
    """Run everything until a signal or until a part of it ends; returns the exit status."""
    processes = stack(environment())
    for process in processes:
        process.check_port()
    manager = Manager()
    for process in processes:
        command = SUPERVISED.format(command=shlex.join(process.command))
        manager.add_process(process.name, command, env=process.env, cwd=ROOT)
    # A terminal that is closed stops everything too.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    threading.Thread(target=_announce, args=(processes,), daemon=True).start()
    manager.loop()
    was_told_to_stop = manager.returncode in (130, 143)
    return 0 if was_told_to_stop else int(manager.returncode or 1)


def stack(env: Mapping[str, str]) -> list[Process]:
    """Everything, in the order of the data, the page last."""
    processes = [nats(env)]
    for name, setting in (
        ("scheduler", "SCHEDULER_PORTS"),
        ("coordinator", "COORDINATOR_PORTS"),
        ("auditor", "AUDITOR_PORT"),
        ("frontend", "PAGE_PORT"),
    ):
        for replica, port in enumerate(ports(env, setting), start=1):
            # The processes here can't share one port for metrics: METRICS_PORT is ignored, and so
            # is WORKERS, which needs it.
            ignored = {"METRICS_PORT": "", "WORKERS": ""}
            own = on_the_bus(name, env) | {"INSTANCE": f"{name}-{replica}"} | ignored
            if name in ("scheduler", "auditor"):
                own |= {"HOST": "127.0.0.1"}  # only operators have business there
            if name == "frontend":
                own |= _to_the_coordinators(env)
            processes.append(service(name, {**env, **own}, port, setting))
    return processes


def _to_the_coordinators(env: Mapping[str, str]) -> dict[str, str]:
    # There is no edge in front of them here, so the page needs all their ports; the host is the one
    # by which the page itself was reached.
    hosts = ",".join(f":{port}" for port in ports(env, "COORDINATOR_PORTS"))
    return {"WS_HOST": env.get("WS_HOST", hosts), "WS_PATH": env.get("WS_PATH", "/ws/connect")}


def _announce(processes: list[Process]) -> None:
    """Print the page's addresses as soon as every service is ready."""
    deadline = time.monotonic() + READY_SECONDS
    for process in processes[1:]:
        while (reason := _why_not_ready(process)) is not None:
            if time.monotonic() > deadline:
                print(f"tminus: {process.name} is not ready: {reason}", flush=True)
                return
            time.sleep(0.1)
    page = processes[-1]
    print(f"\nCtrl-C stops everything.\n{addresses.announce(page.host, page.port)}", flush=True)


def _why_not_ready(process: Process) -> str | None:
    host = addresses.bracketed(addresses.reached_at(process.host))
    try:
        with urllib.request.urlopen(f"http://{host}:{process.port}/readyz", timeout=2):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace").strip()
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main())
