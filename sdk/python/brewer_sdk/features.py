"""From the dict that an adaptor returns to the features that the host takes."""

import difflib

from wit_world.imports import types as contract

from .arguments import handle
from .errors import ask
from .tensor import Tensor
from .tensor_list import TensorList


def features(returned) -> contract.Features:
    """The features of a dict with TextBrewer's keys. Errors: `TypeError`, `KeyError`, with the key at fault."""
    if not isinstance(returned, dict):
        raise TypeError(f"the adaptor returned {_name(returned)}; expected a dict with keys such as {_listed(_PUTS)}")
    made = contract.Features()
    for key, value in returned.items():
        put = _PUTS.get(key)
        if put is None:
            raise _unknown(key)
        if value is not None:
            put(made, key, value)
    return made


def _each(method):
    """Puts a tensor, or each of several, with a method of the host."""

    def put(made, key, value):
        for tensor in [value] if isinstance(value, Tensor) else _several(key, value):
            ask(getattr(made, method), _tensor(key, tensor))

    return put


def _layers(extend, push):
    """Like `_each`; a lazy list is passed on without reading it."""
    each = _each(push)

    def put(made, key, value):
        if isinstance(value, TensorList):
            ask(getattr(made, extend), value._handle)
        else:
            each(made, key, value)

    return put


def _inputs_mask(made, key, value):
    ask(made.set_inputs_mask, _tensor(key, value))


_PUTS = {
    "logits": _each("push_logits"),
    "logits_mask": _each("push_logits_mask"),
    "labels": _each("push_labels"),
    "losses": _each("push_loss"),
    "hidden": _layers("extend_hidden", "push_hidden"),
    "attention": _layers("extend_attention", "push_attention"),
    "inputs_mask": _inputs_mask,
}


def _several(key, value):
    if not isinstance(value, (list, tuple, TensorList)):
        raise TypeError(f"`{key}` is {_name(value)}; expected a tensor or a list of tensors")
    return value


def _tensor(key, value):
    if not isinstance(value, Tensor):
        raise TypeError(f"`{key}` holds {_name(value)}; expected a tensor")
    return handle(value)


def _unknown(key):
    nearest = difflib.get_close_matches(str(key), _PUTS, 1)
    hint = f"did you mean `{nearest[0]}`?" if nearest else f"the keys are {_listed(_PUTS)}"
    return TypeError(f"the adaptor returned the unknown key {key!r}: {hint}")


def _name(value):
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _listed(names):
    return ", ".join(f"`{name}`" for name in names)
