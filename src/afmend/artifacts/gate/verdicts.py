"""The four verdicts of the gate."""

GOOD, NOT_TRACKING, TIP, IMAGING = "Good", "Not Tracking", "Tip Contamination", "Imaging Artifacts"
VERDICTS = (GOOD, NOT_TRACKING, TIP, IMAGING)
"""In the order of the model's outputs."""
