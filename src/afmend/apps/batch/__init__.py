"""Running a recipe over many files: workers, resume, summary. A batch never loses.

Belongs here: the queue, the journal, the outputs of one file. Does not belong here: printing, flags.
"""
