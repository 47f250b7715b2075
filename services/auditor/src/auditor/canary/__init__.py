"""A canary: one run through the front door, counted by two viewers, as people and pages do it.

`python -m auditor.canary URL` counts once; the auditor counts again and again, with CANARY_URL.
"""
