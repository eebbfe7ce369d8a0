"""Runs notebooks headless (one, the main job, all), checks exercises, and sets the style of plots and tables."""
