import resource
import subprocess
import sys


def page_faults(prelude: str) -> int:
    """Page faults of a process that allocates and frees a large array 2,000 times."""
    code = (
        f"import numpy as np, resource\n{prelude}\n"
        "for _ in range(2000): np.ones(1 << 18, np.uint8)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_freed_arrays_are_used_again():
    kept = "from wetread.memory import keep_freed_memory; keep_freed_memory()"
    trimmed = "import ctypes; ctypes.CDLL(None).mallopt(-3, 1 << 17)"
    assert page_faults(kept) + 50_000 < page_faults(trimmed)
    assert resource.getpagesize() <= 65536
