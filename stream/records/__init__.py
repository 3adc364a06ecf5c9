"""What is kept of a session, only where it is asked for, and what becomes of it: exports, report, video."""
