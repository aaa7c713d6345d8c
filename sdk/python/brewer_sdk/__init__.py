"""Write plugins for Brewer in Python. The README beside this package is the reference."""

from . import creation, functional
from .adaptor import adaptor
from .batch_postprocessor import batch_postprocessor
from .creation import *  # noqa: F403
from .errors import TensorError
from .host import config, debug, error, info, random, random_u64, warn
from .loss_roles import kd_loss, match_loss, temperature_scheduler, weight_scheduler
from .kinds import bfloat16, boolean, float16, float32, float64, int8, int16, int32, int64, uint8
from .tensor import Tensor
from .tensor_list import TensorList
from .types import Batch, Context, Outputs

__all__ = [
    "Batch", "Context", "Outputs", "Tensor", "TensorError", "TensorList", "adaptor", "batch_postprocessor", "bfloat16",
    "boolean", "config", "debug", "error", "float16", "float32", "float64", "functional", "info", "int16", "int32",
    "int64", "int8", "kd_loss", "match_loss", "random", "random_u64", "temperature_scheduler", "uint8", "warn",
    "weight_scheduler",
]  # fmt: skip
__all__ += creation.__all__
