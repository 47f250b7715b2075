"""Starts and cancels runs and appends every tick at its deadline."""
