"""Clips of a portrait that moves by script, rendered frame by frame with their ground truth."""
