"""What spotting results are scored and handed in with."""
