"""The kinds of elements, under torch's names."""

from wit_world.imports.tensor import Kind

float16 = Kind.FLOAT16
bfloat16 = Kind.BFLOAT16
float32 = Kind.FLOAT32
float64 = Kind.FLOAT64
uint8 = Kind.UINT8
int8 = Kind.INT8
int16 = Kind.INT16
int32 = Kind.INT32
int64 = Kind.INT64
boolean = Kind.BOOLEAN

FLOATING = frozenset({float16, bfloat16, float32, float64})
"""The kinds of floating-point numbers."""


def checked(kind) -> Kind:
    """`kind`, if it is one."""
    if not isinstance(kind, Kind):
        raise TypeError(f"expected a kind of elements such as brewer_sdk.float32, found {type(kind).__name__}")
    return kind
