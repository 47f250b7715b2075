"""NATS for every service: the connection, requests and replies, the stream and following it."""
