"""What every service needs as a process: settings, secrets, logs, health, metrics, limits, TLS."""
