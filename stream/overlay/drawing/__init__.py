"""Images, curves and large letters as text."""
