"""What is kept of a session, only on request, and what is made of it: exports, report, video."""
