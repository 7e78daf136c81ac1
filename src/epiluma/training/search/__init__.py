"""Search for better recipes: many runs that differ in a few fields."""
