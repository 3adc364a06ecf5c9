"""The commands of ``atme-train``."""
