"""Where the face is in a frame, its pose, and the places on it where motion is read."""
