"""Applications: the command line and, later, the web page. Thin: generated from the step definitions."""
