"""Training of the apex detector."""
