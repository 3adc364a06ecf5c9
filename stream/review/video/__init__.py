"""The frames of a session under review: its recording or its kept clips."""
