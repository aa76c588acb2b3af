#!/usr/bin/python3 -I
"""dry-runs.py RUNS ID...: so many dry runs of imgp-run, two at a time, each judged.

Every tenth gets SIGTERM at a random moment.  Half of them read the ids from
standard input.  Standard output gets what was wrong, a line a run; standard error
a count of how they ended.  SEED repeats a choice of moments.
"""
import collections
import concurrent.futures
import json
import os
import random
import signal
import subprocess
import sys
import time

runs, ids = int(sys.argv[1]), [int(i) for i in sys.argv[2:]]
seed = os.environ.get("SEED") or str(random.randrange(1 << 32))
LIMIT = 120                     # seconds: longer is a hang


def start(number):
    """A run in a session of its own, and what is to be written to it."""
    words = [str(i) for i in ids]
    argv, text = ["imgp-run", "-n"], None
    if number % 2:
        text = "\n".join(words) + "\n"
    else:
        argv += words
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE if text else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True), text


def is_left(group):
    """Whether processes of the run outlive it by more than a few seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def judge(out, err, status, signalled):
    """What is wrong with the end of a run, or None."""
    lines = out.splitlines(True)
    if any(not line.endswith("\n") for line in lines):
        return "a line that is cut short"
    found = [json.loads(line)["subject_event_crf_file_id"] for line in lines]
    if found != ids[:len(found)]:
        return "lines of %s" % found
    if status == 0:
        return None if found == ids else "ended with 0 after %s" % found
    if not signalled:
        return "nobody sent a signal"
    if status == -signal.SIGTERM:
        # The signal itself ended it, before its first command.
        return "ended by the signal after a line" if lines else None
    if status != 128 + signal.SIGTERM:
        return "another status than 143"
    return None if err else "not a word on standard error"


def one(number):
    moment = random.Random("%s %d" % (seed, number)).uniform(0, longest)
    signalled = number % 10 == 9
    run, text = start(number)
    if signalled:
        time.sleep(moment)
        run.send_signal(signal.SIGTERM)
    try:
        out, err = run.communicate(text, LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        out, err = run.communicate()
        return "hangs", "hangs", err
    fault = judge(out, err, run.returncode, signalled)
    if fault is None and is_left(run.pid):
        fault = "a process outlives it"
    return ("signal" if signalled else "none", run.returncode), fault, err


def main():
    global longest
    ends, bad = collections.Counter(), 0
    longest, begun = 0, time.monotonic()
    one(0)
    longest = 2 * (time.monotonic() - begun)    # two at a time are slower
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, (end, fault, err) in enumerate(
                pool.map(one, range(runs))):
            ends[end] += 1
            if fault:
                bad += 1
                print("run %d, %s: %s; %r" % (number, end, fault, err))
    print("seed %s: %s" % (seed, dict(ends)), file=sys.stderr)
    return bad != 0


sys.exit(main())
