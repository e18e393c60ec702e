"""Training classifiers of scans: the seed's recipe, and a user's own classes."""
