"""The machine a program runs on: its GPU, its compiled code, worker processes, the user's Ray cluster."""
