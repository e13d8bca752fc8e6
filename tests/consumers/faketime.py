"""A clock whose speed can be changed while a program runs by it: Debian's `libfaketime`.

The program has its wall clock and its monotonic clock from a small file that is read whenever it asks for the time, and
what it sleeps and waits for is scaled as well. Nothing in the program knows of this.
"""

import glob
import time


class Clock:
    """`now` tells the time by the program's own account, as seconds since 1970."""

    def __init__(self, path, start, now=None):
        self.path, self.now, self.rate = path, now, 1
        self.write(start)

    def environment(self):
        """What the program needs to see this clock."""
        [library] = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        return {
            "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(self.path), "FAKETIME_FMT": "%s",
            "FAKETIME_NO_CACHE": "1",
        }

    def write(self, moment):
        new = self.path.with_suffix(".new")
        new.write_text(f"@{moment:.3f} x{self.rate}\n")
        new.rename(self.path)

    def run(self, rate):
        """Goes on at another speed. The clock may jump ahead by what it is read late, never back."""
        moment = self.now() + 1 + 0.005 * self.rate
        self.rate = rate
        self.write(moment)
        # Whoever sleeps looks at the clock now.
        self.now()

    def run_until(self, moment, rate):
        """Goes on at this speed until the clock shows the moment."""
        if self.now() < moment:
            self.run(rate)
            while self.now() < moment:
                time.sleep(0.003)
