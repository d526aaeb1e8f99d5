"""GPUs of this machine: NVML where its library is, the driver's own list where it is not, else unknown."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LIBRARY = "libnvidia-ml.so.1"
_DRIVER_LIST = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Gpus:
    """What is known of them.

    Attributes
    ----------
    count : int or None
        How many; None when nothing tells.
    memory_bytes : int or None
        Of all of them [bytes]; None without NVML.
    """

    count: int | None = None
    memory_bytes: int | None = None


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def gpus(library: str = _LIBRARY, driver_list: Path = _DRIVER_LIST) -> Gpus:
    """Count GPUs and their memory.

    Parameters
    ----------
    library : str
        NVML's shared library.
    driver_list : Path
        Where the driver lists its GPUs.

    Returns
    -------
    Gpus
        What NVML or the driver tells; nothing where neither is there.
    """
    with suppress(OSError, AttributeError):
        found = _ask_nvml(ctypes.CDLL(library))
        if found is not None:
            return found
    with suppress(OSError):
        return Gpus(count=sum(1 for _ in driver_list.iterdir()))
    return Gpus()


def _ask_nvml(nvml: ctypes.CDLL) -> Gpus | None:
    """Every call returns 0 when it succeeded."""
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return None
        total = 0
        for index in range(count.value):
            device, memory = ctypes.c_void_p(), _Memory()
            if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
                return Gpus(count=count.value)
            if nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) != 0:
                return Gpus(count=count.value)
            total += memory.total
        return Gpus(count=count.value, memory_bytes=total)
    finally:
        nvml.nvmlShutdown()
