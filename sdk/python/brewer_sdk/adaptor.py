"""The role of an adaptor."""

import inspect

from .features import features
from .guard import export, guarded
from .types import Batch, Context, Outputs


def adaptor(adapt):
    """Makes a function, or a class whose instances can be called, the plugin's adaptor.

    It takes `batch` and `outputs`, and `context` if it has a parameter of that name, and returns a dict with any of
    TextBrewer's keys: `logits`, `logits_mask`, `labels`, `losses`, `hidden`, `attention` (a tensor or several) and
    `inputs_mask` (a tensor). A class is instantiated before the first call, without arguments.

    An exception ends the run with its message and the lines of the plugin that it passed.
    """
    call = _Adaptor(adapt)
    return export(
        adapt,
        "Adaptor",
        adapt=lambda _, context, batch, outputs: guarded(lambda: call(Context(context), Batch(batch), Outputs(outputs))),
    )


class _Adaptor:
    """The plugin's function. A class is instantiated by the first call: the plugin is loaded while it is built, when
    there is no host."""

    def __init__(self, adapt):
        self._adapt = adapt
        self._call = None

    def __call__(self, context, batch, outputs):
        if self._call is None:
            self._call = self._adapt() if inspect.isclass(self._adapt) else self._adapt
            self._takes_context = "context" in inspect.signature(self._call).parameters
        if self._takes_context:
            return features(self._call(batch, outputs, context=context))
        return features(self._call(batch, outputs))
