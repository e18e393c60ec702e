"""Running trained models with ONNX Runtime: numpy in, numpy out.

Belongs here: finding a model by name, checking it against its card, sessions, tiling.
Does not belong here: what a model sees or means (artifacts), training and export (training).
"""
