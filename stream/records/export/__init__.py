"""Recorded sessions in the formats of other programs, a module a format."""
