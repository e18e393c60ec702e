"""What a training run is told; one set of values per task, kept in the card of the model."""

from __future__ import annotations

from typing import Literal

from afmend.pipeline.params import Knob, Params


class Training(Params):
    """How a network is trained."""

    seed: int = Knob(0, "Chooses first weights and every item.", ge=0)
    steps: int = Knob(3000, "Batches in all.", ge=1, le=10**7)
    batch: int = Knob(8, "Items of a batch.", ge=1, le=4096)
    rate: float = Knob(3e-3, "Highest learning rate; it rises for the first 5 % and falls along a cosine.", gt=0, le=1)
    decay: float = Knob(1e-2, "Weight decay (AdamW).", ge=0, le=1)
    average: float = Knob(0.998, "Memory of the running mean of the weights, which is what is exported.", ge=0, lt=1)
    save_every: int = Knob(100, "Batches between two checkpoints.", ge=1)
    judge_every: int = Knob(500, "Batches between two looks at held-out scans.", ge=1)
    workers: int = Knob(1, "Processes that prepare items; 0 = none of its own.", ge=0, le=256)
    threads: int = Knob(2, "Threads of torch on the CPU.", ge=1, le=256)
    device: Literal["auto", "cpu", "cuda"] = Knob("auto", "Where to train; auto = a GPU if there is one.")
    precision: Literal["auto", "fp32", "bf16"] = Knob("auto", "auto = bf16 where the hardware is made for it.")
