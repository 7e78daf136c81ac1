"""Photos and their screenings."""
