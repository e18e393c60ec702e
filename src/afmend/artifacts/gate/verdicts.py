"""The four verdicts of the gate, and what they are decided by."""

from collections.abc import Mapping

GOOD, NOT_TRACKING, TIP, IMAGING = "Good", "Not Tracking", "Tip Contamination", "Imaging Artifacts"
VERDICTS = (GOOD, NOT_TRACKING, TIP, IMAGING)
"""In the order of the model's outputs."""
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    NOT_TRACKING: ("astray", "blind"),
    TIP: ("satellites", "break", "repeats"),
    IMAGING: ("wrong", "noise", "waves"),
}
"""What a verdict is decided by: any of these is enough."""
ASKED = tuple(question for questions in QUESTIONS.values() for question in questions)
