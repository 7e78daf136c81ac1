"""Photos as arrays: safe decoding, quality, preprocessing shared by training and runtime, drawn lesions."""
