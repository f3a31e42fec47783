"""Two folders that change places in one move."""

import ctypes
import errno
import os
import sys
from pathlib import Path

HERE, EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def swap(one: Path, other: Path) -> bool:
    """Exchange two paths, so that there is no moment at which either is missing.

    Returns:
        Whether this system can; nothing was done where it cannot.

    Raises:
        OSError: it refused.
    """
    if sys.platform != "linux":
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))
