"""Executing notebooks without a browser: one, the main job, the whole series."""
