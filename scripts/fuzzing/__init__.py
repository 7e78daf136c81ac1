"""Damaged and hostile photo files, and a decoder that is watched while it opens them."""
