"""Training of the spotter's classifier from recordings with ground truth."""
