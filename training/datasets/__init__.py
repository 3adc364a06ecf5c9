"""Licensed datasets as their owners distribute them: annotations and frames in, samples and problems out."""

from training.datasets.sample import Loaded, Problem, Sample

__all__ = ["Loaded", "Problem", "Sample"]
