"""Many recordings in one command: a session folder each, several at a time."""
