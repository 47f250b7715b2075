"""The failure table: every part of the system killed, frozen, cut off and flooded, for real."""
