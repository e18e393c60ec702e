"""The bench in the browser: ``afmend web``. Thin: steps, recipes, batch and exports are those of the command line.

Belongs here: the server, its guard, the reader process, frames for the page, the page itself (static/).
Does not belong here: anything about heights that a recipe or the batch could not do, too.
"""
