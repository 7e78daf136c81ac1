"""Numbers from Predictions: metrics, calibration, intervals, scorecards."""
