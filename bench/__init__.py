"""The benchmark: tminus and its peers deliver the same frames to the same viewers, one after another."""
