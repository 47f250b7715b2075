"""What the services say to each other and to viewers: subjects, events, room rules, frames."""
