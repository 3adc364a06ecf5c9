"""The filmed spotting benchmark: motion measured on one person is transferred to another."""
