"""The loops of the review page: face and magnified motion."""
