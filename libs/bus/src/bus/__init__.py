"""What every service needs to speak NATS: connecting, requests, the stream and following it."""
