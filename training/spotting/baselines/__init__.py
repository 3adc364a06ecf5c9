"""What the causal spotter is compared with: published methods, written again from their papers."""
