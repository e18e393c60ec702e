"""The table of metrics: what each is called, its unit, which way is better, and what it can be fooled by."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

Better: TypeAlias = Literal["lower", "higher", "zero", "one", "nominal"]
"""Where a good value lies; "nominal": at the coverage that was asked for."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that tells how good a result is.

    Attributes
    ----------
    title : str
    unit : str
        Empty for none.
    better : "lower", "higher", "zero", "one" or "nominal"
    home : str
        "module:function" in `afmend.evaluation.metrics`.
    part : str
        Which attribute of the function's answer is the number; empty if the answer is the number.
    source : str
        Where its definition comes from, if not from a paper that the function's documentation names.
    """

    title: str
    unit: str
    better: Better
    home: str
    part: str = ""
    source: str = ""

    @property
    def function(self) -> Callable[..., Any]:
        """The function that measures it, imported now."""
        module, _, name = self.home.partition(":")
        found: Callable[..., Any] = getattr(import_module(f"afmend.evaluation.metrics.{module}"), name)
        return found

    @property
    def what(self) -> str:
        """What it measures: the first paragraph of the function's documentation."""
        first = (inspect.getdoc(self.function) or "").partition("\n\n")[0]
        return " ".join(first.split())

    @property
    def sources(self) -> str:
        """Where its definition comes from: norms and papers; "afmend" for its own."""
        papers = re.findall(
            r"(?:doi:10\.\S+?|arXiv:[\d.]+\d)(?=[.,;:)]*(?:\s|\Z))", inspect.getdoc(self.function) or ""
        )
        return "; ".join(filter(None, (self.source, *papers))) or "afmend"

    @property
    def fooled_by(self) -> str:
        """What can make it look good without being good: the sentence in the function's documentation."""
        found = re.search(r"\*\*Can be fooled by:\*\* (.+?)(?:\n\n|\Z)", inspect.getdoc(self.function) or "", re.DOTALL)
        return " ".join(found[1].split()) if found else ""


_ISO = "ISO 25178-2"
_SEED = "the seed paper, section 3.2.3"
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "gauge_free_rmse": Metric("RMSE free of background", "nm", "lower", "gauge:gauge_free_rmse"),
        "leveling_error": Metric("Leveling error", "nm", "lower", "leveling:leveling_error", "total"),
        "sq_bias": Metric("Sq bias", "%", "zero", "metrology:roughness_bias", "Sq_percent", _ISO),
        "ssk_bias": Metric("Ssk bias", "%", "zero", "metrology:roughness_bias", "Ssk_percent", _ISO),
        "ssk_difference": Metric("Ssk difference", "", "zero", "metrology:roughness_bias", "Ssk_difference", _ISO),
        "sdq_bias": Metric("Sdq bias", "%", "zero", "metrology:roughness_bias", "Sdq_percent", _ISO),
        "step_height_in_error": Metric(
            "Step height error", "%", "zero", "metrology:step_height_in_error", "", "in the spirit of ISO 5436-1"
        ),
        "particle_height_error": Metric(
            "Particle height error", "%", "zero", "particles:particle_errors", "height_percent"
        ),
        "particle_diameter_error": Metric(
            "Particle diameter error", "%", "zero", "particles:particle_errors", "diameter_percent"
        ),
        "particle_volume_error": Metric(
            "Particle volume error", "%", "zero", "particles:particle_errors", "volume_percent"
        ),
        "psd_ratio": Metric("PSD ratio in 4 bands", "", "one", "spectrum:psd_ratio", "radial"),
        "psd_ratio_fast": Metric("PSD ratio in 4 bands, fast axis", "", "one", "spectrum:psd_ratio", "fast"),
        "psd_ratio_slow": Metric("PSD ratio in 4 bands, slow axis", "", "one", "spectrum:psd_ratio", "slow"),
        "anisotropy_excess": Metric("Anisotropy excess", "", "one", "spectrum:anisotropy_excess", "geometric_mean"),
        "mask_precision": Metric("Precision", "", "higher", "masks:mask_overlap", "precision"),
        "mask_recall": Metric("Recall", "", "higher", "masks:mask_overlap", "recall"),
        "mask_iou": Metric("IoU", "", "higher", "masks:mask_overlap", "iou"),
        "mask_dice": Metric("Dice", "", "higher", "masks:mask_overlap", "dice"),
        "object_recall": Metric("Object recall", "", "higher", "masks:object_recall", "recall"),
        "auprc": Metric("AUPRC", "", "higher", "masks:average_precision"),
        "false_marked_share": Metric("False marked share", "", "lower", "masks:false_marked_share"),
        "fill_rmse": Metric("RMSE in the holes", "nm", "lower", "fill:fill_rmse"),
        "fill_relative_rmse": Metric("RMSE in the holes / Sq", "", "lower", "fill:fill_relative_rmse"),
        "fill_std_ratio": Metric("Std ratio in the holes", "", "one", "fill:fill_std_ratio"),
        "seam_gradient": Metric("Seam gradient", "", "one", "fill:seam_gradient"),
        "touched_outside": Metric("Pixels touched outside the holes", "px", "zero", "fill:touched_outside"),
        "interval_coverage": Metric("Coverage of the interval", "", "nominal", "fill:interval_coverage", "coverage"),
        "interval_width": Metric("Width of the interval", "nm", "lower", "fill:interval_coverage", "mean_width_nm"),
        "fill_crps": Metric("CRPS in the holes", "nm", "lower", "fill:fill_crps", "", "doi:10.1198/016214506000001437"),
        "psnr": Metric("PSNR", "dB", "higher", "similarity:psnr"),
        "ssim": Metric("SSIM", "", "higher", "similarity:ssim"),
        "vif": Metric("VIF", "", "one", "similarity:vif"),
        "sigma_bg": Metric("Background variation (seed)", "nm", "lower", "seed:sigma_bg", "", _SEED),
        "rmse_line": Metric("Line residual (seed)", "nm", "lower", "seed:rmse_line", "", _SEED),
        "mean_gradient": Metric("Mean gradient (seed)", "nm/px", "lower", "seed:mean_gradient", "", _SEED),
        "tilt_removal": Metric("Tilt removal ratio (seed)", "", "one", "seed:tilt_removal", "", _SEED),
    }
)
"""What `afmend bench metrics` lists. Functions are imported when asked for."""


def metrics_markdown() -> str:
    """Return the reference page of all metrics."""
    lines = [
        "# Metrics",
        "",
        "Generated by `afmend bench metrics --markdown`; do not edit.",
        "",
        "| metric | unit | better | what it measures | can be fooled by | source |",
        "|---|---|---|---|---|---|",
    ]
    for name, metric in METRICS.items():
        what, fooled = (text.replace("|", "\\|") for text in (metric.what, metric.fooled_by))
        lines.append(
            f"| {metric.title} (`{name}`) | {metric.unit} | {metric.better} | {what} | {fooled} | {metric.sources} |"
        )
    return "\n".join(lines) + "\n"
