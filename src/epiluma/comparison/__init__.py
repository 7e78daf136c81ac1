"""Runs side by side: how good they are, what they cost to train and what they cost to use."""
