"""The sections of `epiluma bench screen`, each a module or a function that gives rows."""

SECTIONS = {
    "outline": "the network that outlines the lesion, alone",
    "screening": "whole screenings of the photos as they are",
    "large": "whole screenings of the photos at 12 megapixels",
    "shares": "throughput as a share of bare decoding and bare networks",
    "tensor": "a JPEG of 12 megapixels to a tensor",
    "processes": "two processes beside one",
    "stack": "images a second beside Pillow and PyTorch",
    "decoding": "whether decoding at a smaller scale changes a recommendation",
    "start": "a fresh process: time to its first result, and its memory",
}
"""In the order in which they are measured. This module imports nothing, so that the command line can name them."""
