"""Training of the spotter's judge from recordings with ground truth."""
