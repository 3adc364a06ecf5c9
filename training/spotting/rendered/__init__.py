"""The rendered spotting benchmark: what happens in its clips, and rendering them."""
