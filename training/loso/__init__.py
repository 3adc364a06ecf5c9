"""Leave-one-subject-out: folds, runs that resume, their report, and one network fitted to all samples."""
