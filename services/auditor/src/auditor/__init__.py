"""Checks every event of the stream by the contract, and counts as a viewer now and then."""
