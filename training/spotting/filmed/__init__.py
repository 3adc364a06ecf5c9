"""The filmed spotting benchmark: motion measured on one person, laid on another."""
