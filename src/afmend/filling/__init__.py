"""Filling: values for masked pixels, with an error bar for each (the steps ``fill.*``).

Belongs here: steps that return values for holes. Does not belong here: deciding what is a hole (artifacts).
The room is not called ``repair`` because `afmend.repair` is the function that users call.
"""
