"""scaling.py DIR ROWS MB LATENCY MB_S [PRICES]: the arithmetic of tests/bench/scaling."""
import json
import os
import sys

ROOT = sys.argv[1]
ROWS, MB, LATENCY, MB_S = map(int, sys.argv[2:6])

# List prices of AWS in us-east-1, in dollars; to be looked up again before they are
# believed.
PRICES = {
    "lambda_gb_s": 0.0000166667, "lambda_request": 0.20e-6,
    "sfn_transition": 25e-6, "s3_put": 5e-6, "s3_get": 0.4e-6,
    "efs_read_gb": 0.03, "efs_write_gb": 0.06,
    "fargate_vcpu_h": 0.04048, "fargate_gb_h": 0.004445,
}
if len(sys.argv) > 6:
    with open(sys.argv[6], encoding="utf-8") as f:
        PRICES.update(json.load(f))
# Quotas, those of a new account.
LAMBDAS = 1000          # functions at once
PUTS_S = 3500           # writes to one prefix of a bucket a second
TRANSITIONS_S = 5000    # state transitions a second
# scripts/aws/template.yaml: memory in GB; states of a file that are transitions.
MEMORY = {"lookup": .25, "start": .25, "fetch": 1, "scan": 1.73, "scans": .25,
          "stamp": 1.73, "extra": 1.73, "stage": 1, "deliver": 1, "finish": .25}
CALL_MS = 40            # bootstrap's part of a call
STATES = len(MEMORY) + 1        # and the Map's iteration
CPUS = 2                # of the one machine
WAITING = 16            # imgp-run's jobs in a stage that waits


def read(name):
    """A file of DIR."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


# Of each program: ms of CPU before its first upload.
START = {line.split()[0]: 1000 * sum(map(float, line.split()[1:3]))
         for line in read("none.stages").splitlines()}


def run(name):
    """Of one run: its uploads' size in MB; by stage ms of CPU and requests."""
    jobs = [json.loads(line) for line in read(name + ".jobs").splitlines()]
    bad = [j for j in jobs if j["edc_pipeline_file"]["status"] != "Completed"]
    if bad or not jobs:
        sys.exit("scaling: the %s uploads failed: %s" % (
            name, read(name + ".err")[-500:]))
    ms, requests = {}, {}
    for line in read(name + ".stages").splitlines():
        stage, user, system, *counts = line.split()
        ms[stage] = max(0, 1000 * (float(user) + float(system)) -
                        START[stage]) / len(jobs)
        requests[stage] = {kind: int(n) / len(jobs)
                           for n, kind in zip(counts[::2], counts[1::2])}
    return {"mb": jobs[0]["bytes"]["source"] / 1e6, "ms": ms, "jobs": len(jobs),
            "requests": requests,
            "transactions": int(read(name + ".transactions")) / len(jobs)}


def requests_of(r, *kinds):
    """Of all stages."""
    return sum(n for q in r["requests"].values() for k, n in q.items()
               if k in kinds)


small, large = run("small"), run("large")
# What a stage waits: each request, each transaction, each byte over the network.
MOVED = {"fetch": 1, "stage": 1}        # S3 copies from temp to destination itself
ASKS = {"lookup": 1, "start": 1, "scans": 1, "finish": 1}
each, per_mb, waits = {}, {}, {}
for s in MEMORY:
    per_mb[s] = max(0, (large["ms"][s] - small["ms"][s]) /
                    (large["mb"] - small["mb"]))
    each[s] = max(0, small["ms"][s] - per_mb[s] * small["mb"])
    waits[s] = (LATENCY * (sum(small["requests"][s].values()) + ASKS.get(s, 0)) +
                MOVED.get(s, 0) * MB / MB_S * 1000)
cpu = {s: each[s] + per_mb[s] * MB for s in MEMORY}
ms = {s: cpu[s] + waits[s] for s in MEMORY}
total = sum(ms.values()) / 1000


def years(seconds):
    """A time, as people say it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return "%.1f %s" % (seconds / size, unit)
    return "%.0f s" % seconds


def money(dollars):
    """Dollars."""
    return "%.2f" % dollars if dollars < 100 else "{:,.0f}".format(dollars)


print("# measured: %d uploads of %.3f MB, %d of %.1f MB" % (
    small["jobs"], small["mb"], large["jobs"], large["mb"]))
print("stage\tCPU ms each\tCPU ms per MB\trequests\tCPU ms at %d MB\twaits ms" % MB)
for s in MEMORY:
    print("%s\t%.2f\t%.3f\t%.1f\t%.0f\t%.0f" % (
        s, each[s], per_mb[s], sum(small["requests"][s].values()), cpu[s], waits[s]))
print("all\t%.2f\t%.3f\t%.1f\t%.0f\t%.0f" % (
    sum(each.values()), sum(per_mb.values()),
    requests_of(small, "PUT", "POST", "GET", "HEAD", "DELETE"),
    sum(cpu.values()), sum(waits.values())))
puts, gets = requests_of(small, "PUT", "POST"), requests_of(small, "GET", "HEAD")
print("a program's start: %.0f CPU ms; bootstrap's part of a call: %d" % (
    sum(START.values()) / len(START), CALL_MS))
print("requests an upload: %.1f PUT, %.1f GET or HEAD, %.1f DELETE" % (
    puts, gets, requests_of(small, "DELETE")))
print("transactions an upload, in batches: %.2f; bytes of rows: %s" % (
    small["transactions"], read("row-bytes").strip()))
pending = int(read("pending-ms"))
print("--pending over %d delivered uploads: %d ms (%s left)" % (
    ROWS, pending, read("pending-left").strip()))

# What an upload costs on AWS.
gb = MB / 1000
calls = len(MEMORY)
aws = {
    "Lambda": calls * PRICES["lambda_request"] + PRICES["lambda_gb_s"] * sum(
        MEMORY[s] * (ms[s] + START[s] + CALL_MS) / 1000 for s in MEMORY),
    "Step Functions": STATES * PRICES["sfn_transition"],
    "S3 requests": puts * PRICES["s3_put"] + gets * PRICES["s3_get"],
    # Written by fetch and stamp; read by scan, stamp and stage.
    "EFS": gb * (2 * PRICES["efs_write_gb"] + 3 * PRICES["efs_read_gb"]),
}
# Batch on Fargate: one vCPU and 2 GB for as long as a worker has an upload.
batch = total / 3600 * (PRICES["fargate_vcpu_h"] + 2 * PRICES["fargate_gb_h"]) + \
    aws["S3 requests"]
print("\n# an upload of %d MB, dollars: %s; in all %.6f; by Batch %.6f" % (
    MB, ", ".join("%s %.6f" % i for i in aws.items()), sum(aws.values()), batch))
print("\nuploads\tone machine, -j1\tas imgp-run\t40 workers\tmachine of states\t"
      "its dollars\tBatch's dollars\trows, GB\t--pending")
for n in (10 ** 3, 10 ** 6, 10 ** 8):
    one = n * total
    # Without -j the pipe's slowest part decides: the processors, the jobs that wait at
    # once, or the bytes through one network.
    compute = sum(cpu.values()) / 1000 / CPUS
    wait = max(waits[s] for s in ("fetch", "stage", "deliver")) / 1000 / WAITING
    network = 2 * MB / MB_S
    states = max(n * total / LAMBDAS, n * STATES / TRANSITIONS_S)
    print("10^%d\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%s" % (
        len(str(n)) - 1, years(one), years(n * max(compute, wait, network)), years(one / 40),
        years(states), money(n * sum(aws.values())), money(n * batch),
        n * int(read("row-bytes")) / 1e9, years(pending / 1000 * n / ROWS)))
print("\n# limits, uploads of %d MB a second: one processor %.1f; one network %.1f; "
      "%d functions %.0f; transitions %.0f; S3 to one prefix of quarantine/ %d" % (
          MB, 1000 / sum(cpu.values()), MB_S / 2 / MB, LAMBDAS, LAMBDAS / total,
          TRANSITIONS_S / STATES, PUTS_S))
