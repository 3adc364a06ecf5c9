"""Apexes of micro-expressions in the motion signal, found as it comes."""
