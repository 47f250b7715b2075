"""What the services and viewers exchange: subjects, events, the rules of a room, frames."""
