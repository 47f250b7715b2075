# One Durable Object that broadcasts, in Cloudflare's runtime.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "loopback", network = (allow = ["private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [(name = "server.js", esModule = embed "server.js")],
  compatibilityDate = "2026-11-01",
  bindings = [
    (name = "ROOM", durableObjectNamespace = "Room"),
    (name = "NATS", fromEnvironment = "NATS_ADDRESS"),
    (name = "SUBJECT", fromEnvironment = "SUBJECT"),
  ],
  durableObjectNamespaces = [(className = "Room", uniqueKey = "room")],
  durableObjectStorage = (inMemory = void),
  globalOutbound = "loopback",
);
