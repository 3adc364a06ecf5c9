"""The fault campaign: damaged and hostile inputs, killed sessions, full disks, and how the program ends."""
