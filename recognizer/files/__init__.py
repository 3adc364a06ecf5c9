"""Files in and out: whatever comes from elsewhere is untrusted, whatever is written is written whole."""
