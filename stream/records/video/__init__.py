"""Videos that a session keeps: the recording, clips around movements, the rendered one."""
