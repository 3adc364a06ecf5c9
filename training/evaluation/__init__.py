"""How good predictions are: scores, intervals, action units, and the paper's published figures."""
