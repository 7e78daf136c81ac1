"""The validation report: what a data set holds, on one page that a person can look at and print."""
