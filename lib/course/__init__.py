"""Headless execution of notebooks: a single one, the main job, the whole series."""
