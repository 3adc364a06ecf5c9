"""TV-L1 optical flow between two frames, on the CPU or on a GPU, and the strain of the skin."""
