"""Training the gate: scans and what they deserve, features, the network, its calibration, the card."""
