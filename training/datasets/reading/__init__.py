"""Shared by the dataset loaders: finding files, annotation sheets, action unit codes, resolving doubtful
entries."""
