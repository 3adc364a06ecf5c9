"""What the ``atme`` commands do, one module each."""
