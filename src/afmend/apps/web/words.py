"""The same work in words: as a command, as Python, as a recipe."""

from __future__ import annotations

import shlex

from afmend.apps.web.compose import Wish
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
    command = shlex.join(words)
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


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
