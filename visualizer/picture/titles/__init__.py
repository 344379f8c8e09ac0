"""Titles: words and a logo laid over the picture, before the flash limiter, in any script.

`fonts` finds what has the letters, `lettering` writes lines, `blocks` sets lines and logos, and `layer` has
them come and go.
"""
