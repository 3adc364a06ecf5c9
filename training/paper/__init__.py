"""The tables and figures of the paper, reproduced on one archive."""
