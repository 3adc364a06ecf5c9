"""The methods that Table 3 of the paper compares, one small file each."""
