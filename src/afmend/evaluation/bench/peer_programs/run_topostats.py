"""TopoStats' own filters with its own default configuration."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from importlib import import_module, resources
from types import SimpleNamespace
from typing import Any

import numpy as np
from serving import serve  # type: ignore[import-not-found,unused-ignore]  # beside this script


def start() -> tuple[str, Callable[..., Any]]:
    """Load TopoStats and its default configuration."""
    package = import_module("topostats")
    filters = import_module("topostats.filters").Filters
    text = (resources.files("topostats") / "default_config.yaml").read_text(encoding="utf-8")
    wanted = {key: value for key, value in import_module("yaml").safe_load(text)["filter"].items() if key != "run"}
    logging.disable(logging.ERROR)

    def work(_job: str, heights: Any, mask: Any, pixel_nm: tuple[float, float]) -> tuple[Any, Any]:
        scan = SimpleNamespace(image_original=heights, image=None, filename="bench", img_path="bench",
                               pixel_to_nm_scaling=pixel_nm[1])  # fmt: skip
        done = filters(scan, **copy.deepcopy(wanted))
        done.filter_image()
        return np.asarray(done.images["gaussian_filtered"], dtype=np.float64), np.zeros_like(mask)

    return str(package.__version__), work


if __name__ == "__main__":
    serve(start)
