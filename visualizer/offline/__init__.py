"""Works through files on a virtual clock: a song becomes a video, a video is checked and mended."""
