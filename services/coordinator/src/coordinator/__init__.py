"""Follows the rooms that have viewers and fans their entries out to them."""
