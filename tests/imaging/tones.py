"""Colours of skin from pale to dark, each with its category by the individual typology angle."""

TONES = [
    ((240, 214, 196), "very light"),
    ((224, 180, 150), "light"),
    ((200, 158, 124), "intermediate"),
    ((176, 132, 98), "tan"),
    ((130, 88, 60), "brown"),
    ((70, 42, 26), "dark"),
]
