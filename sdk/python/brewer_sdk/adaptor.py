"""The role of an adaptor."""

import inspect
import sys

from componentize_py_types import Err

from . import output, traces
from .features import features
from .types import Batch, Context, Outputs


def adaptor(adapt):
    """Makes a function, or a class whose instances can be called, the plugin's adaptor.

    It takes `batch` and `outputs`, and `context` if it has a parameter of that name, and returns a dict with any of
    TextBrewer's keys: `logits`, `logits_mask`, `labels`, `losses`, `hidden`, `attention` (a tensor or several) and
    `inputs_mask` (a tensor). A class is instantiated before the first call, without arguments.

    An exception ends the run with its message and the lines of the plugin that it passed.
    """

    class Adaptor:
        """What `componentize-py` looks for in the plugin's module."""

        def __init__(self):
            self._adapt = None

        def adapt(self, context, batch, outputs):
            if self._adapt is None:
                # Not before the first call: the plugin is loaded while it is built, when there is no host.
                self._adapt = _Guarded(adapt)
            return self._adapt(context, batch, outputs)

    module = sys.modules[adapt.__module__]
    module.Adaptor = Adaptor
    output.redirect()
    traces.remember_sources()
    return adapt


class _Guarded:
    """An adaptor whose exceptions are errors of the contract. An exception that left it would be a trap."""

    def __init__(self, adapt):
        self._adapt = adapt
        self._call = None

    def __call__(self, context, batch, outputs):
        failure = None
        try:
            return self._features(Context(context), Batch(batch), Outputs(outputs))
        except BaseException as error:  # SystemExit as well: there is nothing to exit from.
            failure = traces.describe(error)
            traces.forget(error)
        finally:
            output.end()
        raise Err(failure)

    def _features(self, context, batch, outputs):
        if self._call is None:
            self._call = self._adapt() if inspect.isclass(self._adapt) else self._adapt
            self._takes_context = "context" in inspect.signature(self._call).parameters
        if self._takes_context:
            return features(self._call(batch, outputs, context=context))
        return features(self._call(batch, outputs))
