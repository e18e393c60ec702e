"""The learned correction of the tip: examples, the seed's three networks and one of ours, the card."""
