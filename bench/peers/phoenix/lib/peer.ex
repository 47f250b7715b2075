defmodule Peer do
  @moduledoc "A Phoenix channel that broadcasts what comes from NATS."
  use Application

  @impl true
  def start(_type, _args) do
    Supervisor.start_link(
      [{Phoenix.PubSub, name: Peer.PubSub}, Peer.Endpoint, Peer.Following],
      strategy: :one_for_one
    )
  end
end

defmodule Peer.Endpoint do
  use Phoenix.Endpoint, otp_app: :peer

  # The load sends no heartbeats.
  socket "/socket", Peer.Socket, websocket: [timeout: :infinity]
end

defmodule Peer.Socket do
  use Phoenix.Socket

  channel "room:*", Peer.Room

  @impl true
  def connect(_params, socket, _connect_info), do: {:ok, socket}

  @impl true
  def id(_socket), do: nil
end

defmodule Peer.Room do
  use Phoenix.Channel

  @impl true
  def join("room:main", _payload, socket), do: {:ok, socket}
end

defmodule Peer.Following do
  # Gnat's own consumer starts a task for each message, which would not keep their order.
  use GenServer

  def start_link(_options), do: GenServer.start_link(__MODULE__, nil)

  @impl true
  def init(nil) do
    [host, port] = String.split(System.fetch_env!("NATS_ADDRESS"), ":")
    {:ok, bus} = Gnat.start_link(%{host: host, port: String.to_integer(port)})
    {:ok, _subscription} = Gnat.sub(bus, self(), System.fetch_env!("SUBJECT"))
    {:ok, bus}
  end

  @impl true
  def handle_info({:msg, %{body: body}}, bus) do
    Peer.Endpoint.broadcast!("room:main", "message", Jason.decode!(body))
    {:noreply, bus}
  end
end
