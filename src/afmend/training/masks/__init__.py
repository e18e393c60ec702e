"""The learned masks: data, network, calibration and card of the model that `mark.learned` uses."""
