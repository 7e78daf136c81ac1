"""The formats that a photo may have, one module each: what the file claims, and the file without its metadata."""
