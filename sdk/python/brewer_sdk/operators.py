"""The operations of a tensor with a tensor or a number, and those of a tensor alone."""

from .arguments import is_number, scalar
from .errors import ask
from . import kinds

_BINARY = {
    "add": ("__add__", "`self + other`"),
    "sub": ("__sub__", "`self - other`"),
    "mul": ("__mul__", "`self * other`, element by element."),
    "div": ("__truediv__", "`self / other`; integers give `float32`."),
    "eq": ("__eq__", "`self == other`, as `boolean`."),
    "ne": ("__ne__", "`self != other`, as `boolean`."),
    "lt": ("__lt__", "`self < other`, as `boolean`."),
    "le": ("__le__", "`self <= other`, as `boolean`."),
    "gt": ("__gt__", "`self > other`, as `boolean`."),
    "ge": ("__ge__", "`self >= other`, as `boolean`."),
}

_TENSORS = {
    "maximum": (None, "The larger of each two elements."),
    "minimum": (None, "The smaller of each two elements."),
    "matmul": ("__matmul__", "The matrix product: `[…, n, k]` by `[…, k, m]` gives `[…, n, m]`."),
    "logical_and": (None, "True where both are not zero."),
    "logical_or": (None, "True where one or both are not zero."),
}

_UNARY = {
    "neg": ("__neg__", "`-self`"),
    "abs": ("__abs__", "The absolute values."),
    "exp": (None, "e to the power of each element."),
    "log": (None, "The natural logarithms."),
    "sqrt": (None, "The square roots; NaN of negative numbers."),
    "tanh": (None, "The hyperbolic tangents."),
    "sigmoid": (None, "`1 / (1 + exp(-self))`"),
    "relu": (None, "Each element, but at least 0."),
    "gelu": (None, "The exact GELU, by the error function."),
    "logical_not": (None, "True where the element is zero."),
}


def define(cls) -> None:
    """Gives the class `Tensor` its operators and the methods of the same meaning."""

    def put(name, operator, text, method, strict=None):
        method.__name__, method.__qualname__, method.__doc__ = name, f"{cls.__name__}.{name}", text
        setattr(cls, name, method)
        if operator:
            setattr(cls, operator, strict or method)

    for name, (operator, text) in _BINARY.items():
        put(name, operator, text, *_with_number(cls, name))
    for name, (operator, text) in _TENSORS.items():
        put(name, operator, text, *_with_tensor(cls, name))
    for name, (operator, text) in _UNARY.items():
        put(name, operator, text, _alone(cls, name))

    # As torch's: `==` compares elements, tensors are told apart by identity.
    cls.__hash__ = object.__hash__
    cls.__radd__ = cls.__add__
    cls.__rmul__ = cls.__mul__
    cls.__rsub__ = lambda self, number: self.neg().add(number) if is_number(number) else NotImplemented
    cls.__rtruediv__ = lambda self, number: self._number(number).div(self) if is_number(number) else NotImplemented
    cls.__pow__ = lambda self, number: self.pow(number) if is_number(number) else NotImplemented
    cls.__and__ = _logical(cls, "&", "logical_and")
    cls.__or__ = _logical(cls, "|", "logical_or")
    cls.__invert__ = _invert


def _with_number(cls, name):
    """The method, and the operator: it leaves operands of other types to Python."""
    with_number = f"{name}_scalar"

    def method(self, other):
        if isinstance(other, cls):
            return cls(ask(getattr(self._handle, name), other._handle))
        return cls(ask(getattr(self._handle, with_number), scalar(other)))

    def operator(self, other):
        return method(self, other) if isinstance(other, cls) or is_number(other) else NotImplemented

    return method, operator


def _with_tensor(cls, name):
    def method(self, other):
        if not isinstance(other, cls):
            raise TypeError(f"expected a Tensor, found {type(other).__name__}")
        return cls(ask(getattr(self._handle, name), other._handle))

    def operator(self, other):
        return method(self, other) if isinstance(other, cls) else NotImplemented

    return method, operator


def _alone(cls, name):
    def method(self):
        return cls(ask(getattr(self._handle, name)))

    return method


def _logical(cls, symbol, name):
    """`&` and `|`. torch combines the bits of integers, which the contract does not have."""

    def operator(self, other):
        if not isinstance(other, cls):
            return NotImplemented
        for operand in (self, other):
            _expect_boolean(operand, symbol)
        return getattr(self, name)(other)

    return operator


def _invert(self):
    _expect_boolean(self, "~")
    return self.logical_not()


def _expect_boolean(operand, symbol):
    if operand.dtype != kinds.boolean:
        raise TypeError(f"`{symbol}` takes boolean tensors, found {operand!r}; compare with a number first")
