"""Motion signals made without an image: as many people and clips as training wants."""
