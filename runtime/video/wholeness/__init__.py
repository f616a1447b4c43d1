"""Whether a file is all there, by what its container says of its own size: a look at its bytes, none by FFmpeg."""
