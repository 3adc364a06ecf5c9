"""Methods without a network: hand-crafted descriptors and a linear support vector machine."""
