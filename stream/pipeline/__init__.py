"""What runs inside a session: the capture thread, the ring of frames, gaps, counts of frames and faces."""
