"""What the kernel needs of the machine and Numba does not offer: reading at an address, and bits of a word.

The kernel reads columns where they lie, whatever their number and type, so it is handed their addresses. Whoever makes
a table of addresses keeps the arrays alive as long as the table (`features.engine.bound.Bound`).
"""

import numpy as np
from llvmlite import ir
from numba import float32, float64, int8, int32, int64, types, uint8, uint16, uint32, uint64
from numba.extending import intrinsic

PLAIN = {"cache": True, "nogil": True, "_nrt": False}
"""How the kernel is compiled: kept on disk, without the GIL, and without counting references of arrays."""
INLINE = PLAIN | {"forceinline": True}
"""The same for small functions with many arguments, whose call would cost more than what they do."""


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


def _writer(kind: types.Type):  # type: ignore[no-untyped-def]
    @intrinsic
    def write(typing_context, base, index, number):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            element = context.get_value_type(kind)
            pointer = builder.inttoptr(arguments[0], ir.PointerType(element))
            value = context.cast(builder, arguments[2], float64, kind)
            builder.store(value, builder.gep(pointer, [arguments[1]]))
            return context.get_dummy_value()

        return types.void(int64, int64, float64), emit

    return write


@intrinsic
def fetch(typing_context, base, index):  # type: ignore[no-untyped-def]
    """``fetch(address, byte)``: have the memory near there at hand soon. It may lie anywhere."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = ir.PointerType(ir.IntType(8))
        pointer = builder.inttoptr(builder.add(*arguments), kind)
        number = ir.IntType(32)
        called = ir.FunctionType(ir.VoidType(), [kind, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [kind], called)
        builder.call(function, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(int64, int64), emit


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
put_f32, put_f64 = _writer(float32), _writer(float64)
"""``put_f32(address, index, number)`` writes a number as a float32."""
ones = _counter("ctpop")
"""``ones(word)``: how many bits of a uint64 are set."""
lowest = _counter("cttz")
"""``lowest(word)``: the position of the lowest set bit of a uint64 (64 where none is)."""
