"""The command line. Belongs here: words, flags, printing. Does not belong here: science, file formats."""
