import Config

config :peer, Peer.Endpoint,
  http: [
    ip: {127, 0, 0, 1},
    port: String.to_integer(System.fetch_env!("PORT")),
    thousand_island_options: [transport_options: [backlog: 4096]]
  ]
