"""Runs a campaign over workers on this machine: workers that are killed in the middle of queries, and many queries at once.

usage: campaign.py AVRO_SQL LINEITEM.avro [--kills 100] [--at-once 50]

LINEITEM.avro is a large file with TPC-H's columns (`benches/README.md`
says how to make one). Every answer is compared with that of one process. A query whose worker was killed may fail, but
only with an error, and must end within ten seconds of the kill."""

import argparse
import random
import signal
import subprocess
import sys
import time

QUERY = (
    "SELECT l_shipmode, l_returnflag, count(*) AS n, sum(l_quantity) AS quantity, max(l_comment) AS comment "
    "FROM '{file}' GROUP BY ALL ORDER BY ALL"
)


class Worker:
    def __init__(self, program):
        command = [program, "worker", "--listen", "127.0.0.1:0", "--threads", "1"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip().partition("://")[2]

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)

    def end(self):
        self.process.kill()
        self.process.wait()


def start(program, workers, file):
    addresses = ",".join(worker.address for worker in workers)
    query = QUERY.format(file=file)
    command = [program, "--no-progress", "--format", "csv", "--workers", addresses, "-c", query]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def main():
    arguments = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    arguments.add_argument("program")
    arguments.add_argument("file")
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--at-once", type=int, default=50)
    options = arguments.parse_args()
    program, file = options.program, options.file

    alone = [program, "--no-progress", "--format", "csv", "-c", QUERY.format(file=file)]
    expected = subprocess.run(alone, capture_output=True, text=True, check=True).stdout
    workers = [Worker(program) for _ in range(3)]
    started = time.perf_counter()
    answer, errors = start(program, workers, file).communicate()
    whole = time.perf_counter() - started
    if answer != expected:
        sys.exit(f"the answer differs without any kill: {errors}")
    print(f"one query: {whole:.2f} s")

    kill(options, workers, expected, whole)
    at_once(options, workers, expected)
    for worker in workers:
        worker.end()


def kill(options, workers, expected, whole):
    """Kills or stops a random worker at a random time of a query, and starts another in its place."""
    ended = {"answer": 0, "error": 0}
    longest = 0
    for run in range(options.kills):
        query = start(options.program, workers, options.file)
        time.sleep(random.uniform(0, whole * 0.9))
        victim = random.randrange(len(workers))
        workers[victim].kill(signal.SIGSTOP if run % 4 == 3 else signal.SIGKILL)
        killed = time.perf_counter()
        try:
            answer, errors = query.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            sys.exit(f"run {run}: the query hangs")
        took = time.perf_counter() - killed
        longest = max(longest, took)
        if query.returncode == 0 and answer != expected:
            sys.exit(f"run {run}: a wrong answer: {answer!r}")
        if query.returncode != 0 and not errors.strip():
            sys.exit(f"run {run}: no error message")
        ended["answer" if query.returncode == 0 else "error"] += 1
        workers[victim].end()
        workers[victim] = Worker(options.program)
    print(f"{options.kills} kills and stops: {ended['answer']} right answers, {ended['error']} errors, none wrong; "
          f"the longest took {longest:.1f} s after the kill")


def at_once(options, workers, expected):
    """Runs many queries at the same time."""
    started = time.perf_counter()
    queries = [start(options.program, workers, options.file) for _ in range(options.at_once)]
    for query in queries:
        answer, errors = query.communicate(timeout=600)
        if answer != expected:
            sys.exit(f"a query of many at once failed: {errors}")
    print(f"{options.at_once} queries at once: all answers right, {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
