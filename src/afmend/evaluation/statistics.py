"""Statistics of a height map (placeholder module, replaced within the foundation work)."""
