"""Shows: the window and what is laid over it, video files, stills."""
