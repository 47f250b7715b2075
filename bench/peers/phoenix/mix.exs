defmodule Peer.MixProject do
  use Mix.Project

  def project do
    [app: :peer, version: "1.0.0", elixir: "~> 1.16", start_permanent: true, deps: deps()]
  end

  def application, do: [mod: {Peer, []}, extra_applications: [:logger]]

  defp deps do
    [{:phoenix, "1.8.12"}, {:bandit, "1.12.5"}, {:jason, "1.4.5"}, {:gnat, "1.16.0"}]
  end
end
