"""The failure table: every part of the system is killed, frozen, cut off and flooded."""
