"""Training: torch lives here and only here; everybody else uses the exported models.

Belongs here: data sets, networks, the training loop, calibration, export to ONNX with a card.
Does not belong here: what a model sees and what becomes of its answers (artifacts), running models (inference).
"""
