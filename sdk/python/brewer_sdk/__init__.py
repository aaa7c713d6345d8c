"""Write plugins for Brewer in Python. The README beside this package is the reference."""

from . import functional
from .adaptor import adaptor
from .batch_postprocessor import batch_postprocessor
from .creation import arange, cat, full, stack, tensor, where
from .errors import TensorError
from .generated import creation as _creation
from .generated.creation import *  # noqa: F403
from .host import Step, config, debug, error, info, random, random_u64, step, warn
from .loss_roles import kd_loss, match_loss, temperature_scheduler, weight_scheduler
from .kinds import bfloat16, boolean, float16, float32, float64, int8, int16, int32, int64, uint8
from .state import state
from .tensor import Tensor
from .tensor_list import TensorList
from .types import Batch, Context, Outputs

__all__ = [
    "Batch", "Context", "Outputs", "Step", "Tensor", "TensorError", "TensorList", "adaptor", "arange",
    "batch_postprocessor", "bfloat16", "boolean", "cat", "config", "debug", "error", "float16", "float32", "float64",
    "full", "functional", "info", "int16", "int32", "int64", "int8", "kd_loss", "match_loss", "random", "random_u64",
    "stack", "state", "step", "temperature_scheduler", "tensor", "uint8", "warn", "weight_scheduler", "where",
]  # fmt: skip
__all__ += _creation.__all__
