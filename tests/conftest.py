"""What holds for all tests in Python: Ctrl-C arrives, in this process and in those that the tests start.

A command that runs in the background of a script is started with SIGINT ignored, and hands that on. asyncbis leaves
an ignored signal alone (clause 7.1), so the tests that send one would wait for ever.
"""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
