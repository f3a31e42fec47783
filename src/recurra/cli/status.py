"""Exit statuses, as shells know them."""

MISTAKE = 2
INTERRUPTED = 130
TERMINATED = 143
