"""Apple's frameworks through ctypes: which functions are called, with which C types.

Undeclared, ctypes would pass every pointer as a 32-bit int. Signatures are those of IOKitLib.h,
CFBase.h, notify(3) and, for the IOHID event functions, of Apple's open-sourced IOHIDFamily.
"""

import ctypes
from ctypes import (
    POINTER,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_long,
    c_size_t,
    c_ubyte,
    c_uint64,
    c_void_p,
)
from ctypes import c_uint32 as u32
from dataclasses import dataclass
from typing import Any

from mlxts.thermal.sensors.base import Unavailable

UTF8 = 0x08000100  # kCFStringEncodingUTF8
SINT32 = 3  # kCFNumberSInt32Type

# name: (result, arguments)
Signatures = dict[str, tuple[Any, tuple[Any, ...]]]

IOKIT: Signatures = {
    "IOServiceMatching": (c_void_p, (c_char_p,)),
    # consumes the matching dictionary
    "IOServiceGetMatchingServices": (c_int, (u32, c_void_p, POINTER(u32))),
    "IOIteratorNext": (u32, (u32,)),
    "IORegistryEntryGetName": (c_int, (u32, c_char_p)),
    "IOObjectRelease": (c_int, (u32,)),
    "IOServiceOpen": (c_int, (u32, u32, u32, POINTER(u32))),
    "IOServiceClose": (c_int, (u32,)),
    "IOConnectCallStructMethod": (
        c_int,
        (u32, u32, c_void_p, c_size_t, c_void_p, POINTER(c_size_t)),
    ),
    "IOHIDEventSystemClientCreate": (c_void_p, (c_void_p,)),
    "IOHIDEventSystemClientSetMatching": (c_int, (c_void_p, c_void_p)),
    "IOHIDEventSystemClientCopyServices": (c_void_p, (c_void_p,)),
    "IOHIDServiceClientCopyProperty": (c_void_p, (c_void_p, c_void_p)),
    "IOHIDServiceClientCopyEvent": (c_void_p, (c_void_p, c_int64, c_int32, c_int64)),
    "IOHIDEventGetFloatValue": (c_double, (c_void_p, c_int64)),
}
CORE_FOUNDATION: Signatures = {
    "CFStringCreateWithCString": (c_void_p, (c_void_p, c_char_p, u32)),
    "CFStringGetCString": (c_ubyte, (c_void_p, c_char_p, c_long, u32)),
    "CFNumberCreate": (c_void_p, (c_void_p, c_long, c_void_p)),
    "CFDictionaryCreate": (
        c_void_p,
        (c_void_p, POINTER(c_void_p), POINTER(c_void_p), c_long, c_void_p, c_void_p),
    ),
    "CFArrayGetCount": (c_long, (c_void_p,)),
    "CFArrayGetValueAtIndex": (c_void_p, (c_void_p, c_long)),
    "CFRelease": (None, (c_void_p,)),
}
SYSTEM: Signatures = {
    "mach_task_self": (u32, ()),
    "notify_register_check": (u32, (c_char_p, POINTER(c_int))),
    "notify_get_state": (u32, (c_int, POINTER(c_uint64))),
    "notify_cancel": (u32, (c_int,)),
}


@dataclass(frozen=True)
class Frameworks:
    """Three libraries whose functions carry the signatures above, and two CF constants."""

    iokit: Any
    cf: Any
    system: Any
    key_callbacks: int  # address of kCFTypeDictionaryKeyCallBacks
    value_callbacks: int  # address of kCFTypeDictionaryValueCallBacks


def declare(library: Any, signatures: Signatures) -> Any:
    """Set result and argument types on a loaded library's functions."""
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, list(arguments)
    return library


def frameworks() -> Frameworks:
    """Load IOKit, CoreFoundation and libSystem. Raises Unavailable where there are none."""
    try:
        cf = ctypes.CDLL("/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation")
        return Frameworks(
            iokit=declare(ctypes.CDLL("/System/Library/Frameworks/IOKit.framework/IOKit"), IOKIT),
            cf=declare(cf, CORE_FOUNDATION),
            system=declare(ctypes.CDLL("/usr/lib/libSystem.B.dylib"), SYSTEM),
            key_callbacks=_address(cf, "kCFTypeDictionaryKeyCallBacks"),
            value_callbacks=_address(cf, "kCFTypeDictionaryValueCallBacks"),
        )
    except (OSError, AttributeError, ValueError) as error:
        raise Unavailable("needs macOS") from error


def _address(library: Any, symbol: str) -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(library, symbol))
