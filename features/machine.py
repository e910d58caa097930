"""What the kernel needs of the machine and Numba does not offer: reading at an address, and bits of a word.

The kernel reads columns where they lie, whatever their number and type, so it is handed their addresses. Whoever makes
a table of addresses keeps the arrays alive as long as the table (`features.bound.Bound`).
"""

import numpy as np
from llvmlite import ir
from numba import float64, int8, int32, int64, types, uint8, uint16, uint32, uint64
from numba.extending import intrinsic


def address(array: np.ndarray) -> int:
    """Where a C-contiguous array lies; raises `ValueError` for any other."""
    if not array.flags.c_contiguous:
        raise ValueError("only the address of a contiguous array says where its elements are")
    return int(array.ctypes.data)


def _reader(kind: types.Type):  # type: ignore[no-untyped-def]
    @intrinsic
    def read(typing_context, base, index):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            element = context.get_value_type(kind)
            pointer = builder.inttoptr(arguments[0], ir.PointerType(element))
            return builder.load(builder.gep(pointer, [arguments[1]]))

        return kind(int64, int64), emit

    return read


def _counter(name: str):  # type: ignore[no-untyped-def]
    @intrinsic
    def count(typing_context, word):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            if name == "ctpop":
                return builder.ctpop(arguments[0])
            return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

        return int64(uint64), emit

    return count


i64, u64, f64, i32, u32, u16, i8, u8 = map(_reader, (int64, uint64, float64, int32, uint32, uint16, int8, uint8))
"""``i64(address, index)`` inside a kernel: the element of an int64 array; the others alike."""
ones = _counter("ctpop")
"""``ones(word)``: how many bits of a uint64 are set."""
lowest = _counter("cttz")
"""``lowest(word)``: the position of the lowest set bit of a uint64 (64 where none is)."""
