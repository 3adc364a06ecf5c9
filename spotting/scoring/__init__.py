"""Scoring and submitting spotting results."""
