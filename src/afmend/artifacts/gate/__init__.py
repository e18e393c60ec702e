"""The gate: what happens to a scan, decided from physical features, with honest probabilities, a reason and advice."""
