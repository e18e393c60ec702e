"""The same work in words: as a command, as Python, as a recipe."""

from __future__ import annotations

import os
import shlex

from afmend.apps.web.compose import Wish
from afmend.apps.web.requests import plain
from afmend.recipes import built_in_recipes, load_recipe


def words(wish: Wish, name: str, channel: str, frames: int) -> dict[str, str]:
    """Return command, Python and YAML that do what a wish says.

    Parameters
    ----------
    wish : Wish
    name : str
        Of the file, as the user would type it.
    channel : str
    frames : int
        Images in the file; the command mends them all.
    """
    recipe = wish.recipe()
    yaml = recipe.to_yaml()
    built_in = next((one for one in built_in_recipes() if load_recipe(one).steps == recipe.steps), None)
    words = ["afmend", "repair", name, "--out", "mended", "--channel", channel, "--recipe", built_in or "recipe.yaml"]
    command = " ".join(map(_typed, words))
    if built_in is None:
        end = "RECIPE"
        command = f"cat > recipe.yaml <<'{end}'\n{yaml}{end}\n{command}"
    frame = f", frame={wish.frame}" if frames > 1 else ""
    text = repr(built_in) if built_in else "recipe"
    define = "" if built_in else f'recipe = afmend.Recipe.from_yaml("""\n{_quoted(yaml)}""")\n'
    python = (
        f"import afmend\n\n{define}scan = afmend.read({name!r}{frame})\n"
        f"mended = afmend.repair(scan, {text}, {channel!r})\nafmend.write(mended, 'mended.h5')\n"
    )
    return {"command": command + "\n", "python": python, "yaml": yaml}


def _typed(word: str) -> str:
    """Write a word for a shell; bytes that are no UTF-8 by their numbers."""
    if word.isascii() or word == plain(word):
        return shlex.quote(word)
    signs = (chr(b) if 32 <= b < 127 and b not in b"\\'" else f"\\x{b:02x}" for b in os.fsencode(word))
    return f"$'{''.join(signs)}'"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
