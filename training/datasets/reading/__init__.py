"""What dataset loaders share: the disk, annotation sheets, codings, and settling what is doubtful."""
