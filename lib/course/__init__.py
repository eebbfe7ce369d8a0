"""Headless execution of notebooks: a single one, the main job, the whole series. How their plots and tables look."""
