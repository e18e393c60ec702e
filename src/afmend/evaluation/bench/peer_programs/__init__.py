"""Scripts that run other people's programs in a process of their own; each needs NumPy and its program, not afmend.

They read jobs from standard input and write answers to standard output: a line of JSON, then raw arrays.
"""
