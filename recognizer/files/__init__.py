"""Reading and writing files: what comes from elsewhere is untrusted, what is written is written whole."""
