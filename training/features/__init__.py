"""From samples to a feature archive: the live preprocessing over a whole dataset."""
