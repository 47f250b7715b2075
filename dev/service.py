"""One service in this terminal, restarted whenever its code changes."""

import os
import shlex
import sys

import watchfiles
from processes import Process, environment, nats, on_the_bus, ports, service

DEFAULT_PORTS = {
    "scheduler": "SCHEDULER_PORTS",
    "coordinator": "COORDINATOR_PORTS",
    "frontend": "PAGE_PORT",
    "auditor": "AUDITOR_PORT",
}


def main() -> None:
    """Run the service named on the command line."""
    if sys.argv[1:] == ["nats"]:
        process = nats(environment())
    elif len(sys.argv) == 2 and sys.argv[1] in DEFAULT_PORTS:
        process = alone(sys.argv[1], environment())
    else:
        sys.exit(f"usage: {sys.argv[0]} nats|{'|'.join(DEFAULT_PORTS)}")
    process.check_port()
    os.environ.update(process.env)
    watchfiles.run_process(
        *process.code,
        target=shlex.join(process.command),
        target_type="command",
        callback=lambda _: print(f"{process.name}: code changed, starting again", flush=True),
    )


def alone(name: str, env: dict[str, str]) -> Process:
    """The service `name` by itself: unlike in the whole stack, every setting can be set."""
    settings = on_the_bus(name, env) | env
    if "NATS_PASSWORD_FILE" in env:
        settings["NATS_PASSWORD"] = env.get("NATS_PASSWORD", "")
    port = ports(env, "PORT" if "PORT" in env else DEFAULT_PORTS[name])[0]
    return service(name, settings, port, "PORT")


if __name__ == "__main__":
    main()
