"""What a session sends out while it runs: the event log, lines, Lab Streaming Layer markers, sound."""
