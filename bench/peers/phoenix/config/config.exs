import Config

config :logger, level: :warning
config :phoenix, json_library: Jason

config :peer, Peer.Endpoint,
  adapter: Bandit.PhoenixAdapter,
  pubsub_server: Peer.PubSub,
  server: true
