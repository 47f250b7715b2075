"""What every service needs to run: settings, the bus, the stream, health, metrics, logs."""
