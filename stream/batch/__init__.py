"""Many recordings in one command: one session folder each, several at a time."""
