"""How well the spotter finds movements: recordings with ground truth, scores, curves and reports."""
