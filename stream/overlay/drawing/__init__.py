"""Pictures, curves and large letters as text."""
