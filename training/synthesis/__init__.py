"""Synthetic faces without an image: action units, emotions, a motion model, and flow features."""
