"""The benchmark: tminus and its peers deliver the same frames to the same viewers, in turn."""
