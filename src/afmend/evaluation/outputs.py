"""Writing results (placeholder module, replaced within the foundation work)."""
