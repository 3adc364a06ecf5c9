"""What the causal spotter is compared with: published methods, written anew from their papers."""
