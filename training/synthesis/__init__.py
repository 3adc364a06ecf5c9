"""Synthetic faces without a picture: action units, emotions, a motion model, and flow features."""
