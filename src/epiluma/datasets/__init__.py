"""Published data sets as sample records: sources, catalog, duplicates, split, cache."""
