"""Serves the page of a room, its forms and the JSON API."""
