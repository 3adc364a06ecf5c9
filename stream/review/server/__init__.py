"""The local server of the review page."""
