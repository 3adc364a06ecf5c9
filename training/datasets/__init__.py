"""Licensed datasets as their owners hand them out: annotation and frames in, samples and troubles out."""

from training.datasets.sample import Loaded, Problem, Sample

__all__ = ["Loaded", "Problem", "Sample"]
