"""Compiled kernels give the same bits whether they were compiled just now or come from the cache.

A kernel that calls another holds a copy of it, optimized in its place; which copy runs depends on what was loaded
first. Strict arithmetic gives the same bits in both, fast math does not: there the copy must be the only one.
"""

import ast
from pathlib import Path

import afmend


def kernels():
    """Name -> (file, keywords of njit, names that are called), of every compiled function."""
    found = {}
    for path in sorted(Path(afmend.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "njit":
                    called = {
                        c.func.id for c in ast.walk(node) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)
                    }
                    found[path, node.name] = ({word.arg for word in mark.keywords}, called)
    return found


def test_fast_kernels_that_others_call_are_always_inlined():
    found = kernels()
    called = set().union(*(names for _, names in found.values()))
    fast = {key: words for key, (words, _) in found.items() if "fastmath" in words}
    assert len(fast) > 5
    loose = [f"{path.name}: {name}" for (path, name), words in fast.items()
             if name in called and "forceinline" not in words]  # fmt: skip
    assert not loose, f"add forceinline=True to {loose}"
