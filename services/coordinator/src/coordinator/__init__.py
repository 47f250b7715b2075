"""Follows the stream and fans its entries out to viewers."""
