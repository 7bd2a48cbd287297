#!/usr/bin/env python3
"""How long it takes from a key to what it changes on the screen:

    latency.py FIRST READY KEYS COMMAND...

Runs COMMAND on a terminal of 120 by 40 of its own, types FIRST, waits until READY is on it, types KEYS (one after the other, each 200 times in all, as
far as there are any) and prints the median and the 99th percentile of the milliseconds from the key to the last byte of the picture, the
memory and the share of a processor it took while nobody typed (the median of some windows, by the clock the kernel keeps of the process).
What it was typed at has to run on: it is ended with ZZ.
"""

import fcntl
import os
import pty
import select
import statistics
import struct
import sys
import termios
import time

WAIT, QUIET, TIMES = 90.0, 0.004, 200
IDLE, WINDOWS = 3.0, 5


def read(fd, seconds):
    """What comes until nothing has come for a moment; when the last of it came."""
    text, last = b"", None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([fd], [], [], QUIET if text else end - time.monotonic())
        if not ready:
            break
        text += os.read(fd, 1 << 16)
        last = time.monotonic()
    return text, last


def size(fd, width):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def worked(pid):
    """The seconds a process has had of a processor, to the nanosecond: clock_getcpuclockid(3). The hundredths in /proc are counted at the
    beats of a timer, with which what a timer wakes goes along."""
    return time.clock_gettime((~pid << 3) | 2)


def idle_share(pid, fd):
    """The per cent of a processor it takes for a while."""
    before, began = worked(pid), time.monotonic()
    while time.monotonic() < began + IDLE:
        read(fd, 0.5)
    return (worked(pid) - before) / (time.monotonic() - began) * 100


def main():
    first, ready, keys, command = sys.argv[1].encode().decode("unicode_escape").encode(), sys.argv[2].encode(), sys.argv[3], sys.argv[4:]
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    size(fd, 120)
    read(fd, 3.0)
    os.write(fd, first)
    seen, end, width = b"", time.monotonic() + WAIT, 120
    while ready not in seen:
        if time.monotonic() > end:
            sys.exit(f"{ready!r} did not come within {WAIT} s: {seen[-2000:]!r}")
        # Only what changed is drawn, but for a terminal of another size all of it.
        width = 241 - width
        size(fd, width)
        seen = read(fd, 1.0)[0]
    taken = []
    for turn in range(TIMES):
        key = keys[turn % len(keys)]
        # What the server tells meanwhile is no answer to a key.
        read(fd, 0.02)
        typed = time.monotonic()
        os.write(fd, key.encode())
        text, last = read(fd, 2.0)
        if not text:
            sys.exit(f"nothing came of {key!r}")
        taken.append((last - typed) * 1000)
    resident = memory(pid)
    share = statistics.median(idle_share(pid, fd) for _ in range(WINDOWS))
    os.write(fd, b"ZZ")
    end = time.monotonic() + 10
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > end:
            sys.exit("it did not leave")
        try:
            read(fd, 0.1)
        except OSError:
            time.sleep(0.05)
    taken.sort()
    print(f"{taken[TIMES // 2]:.1f} {taken[TIMES * 99 // 100]:.1f} {resident // 1024} {share:.2f}")


main()
