"""``atme review``: a local page on which a person decides about each movement."""
