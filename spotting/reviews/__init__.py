"""What coders have decided about the movements of a session: decisions, their file, their consensus."""
