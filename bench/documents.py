"""The documents about performance: docs/PERFORMANCE.md, and its plots."""
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "scenario"))

import figures      # noqa: E402
import plot         # noqa: E402
from contestants import TITLES  # noqa: E402
import tables       # noqa: E402
import works        # noqa: E402: their order

# What the plot of a work shows: the first of these that it has.
SHOWN = ("mb_per_second", "handshakes", "latency_median", "bytes_each", "rate", "memory")

CPU = {"cgroup": "by control group", "proc": "from /proc, where a daemon of another parent is missed"}

INTRODUCTION = """# Performance

Made by `bench/report` from `bench/results/`, which `bench/compare` wrote; nothing here is written by hand.

Every server does the same work on the same machine, file system and load generator (`postrider load`), in
alternating rounds: each round starts each server in turn with an empty queue, warms it up, gives it a moment to
rest (the floor has made the space of its log before it begins, Postrider makes that of the next 256 MiB when it
rests), loads it, and counts what it really did, in its queue, at the sink or in the mailboxes. A round whose count
is wrong is an error. All that is accepted is durable before the 250, but where a table shows fewer syncs than messages and the server does
not share them: OpenSMTPD and Haraka do not sync what they accept. Postrider runs as it is
installed: all its processes, limits, checks, and every line of its log; so do the others, tuned as their own
documentation says.

*The floor* (`bench/floor.c`) is the least program that could do the work: one process, an append log, one sync for
all who wait, without limits, checks, log, queue or recovery.

TLS is loaded by a client of TLS 1.3 that was made for it (`postrider load --brisk`): X25519 and
AES-128-GCM, whole, the server's signature verified; its keys are made before time is measured. With OpenSSL 3.0
the load would take more of the two cores than the server that is measured.

A figure is the median of the rounds, with the least and the greatest behind it. A ratio is the median of the
ratios of the rounds, because the speed of a machine drifts by more than servers differ from round to round. CPU is
that of all processes of the server ({cpu}). System calls and syncs were counted in a round
of their own under `strace -f -c`.

To repeat it: `bench/compare postfix all`, on a machine that does nothing else.
"""


def make(results):
    """{path below docs/: text}"""
    by_work = grouped(results)
    files = {}
    counted = {result["machine"]["cpu"] for result in results}
    parts = [INTRODUCTION.format(cpu="; ".join(CPU[source] for source in sorted(counted))), machine_part(results), goals_part(by_work)]
    for name in works.BY_NAME:
        if name in by_work:
            parts.append(work_part(name, by_work[name], files))
    files["PERFORMANCE.md"] = "\n".join(parts)
    return files


def grouped(results):
    """{work: its results, the one with Postfix first}"""
    found = {}
    for result in sorted(results, key=lambda one: (one["peer"] != "postfix", one["peer"])):
        found.setdefault(result["work"], []).append(result)
    return found


def machine_part(results):
    machine = results[0]["machine"]
    versions = {name: words for result in results for name, words in result["versions"].items() if words}
    dates = sorted({result["when"][:10] for result in results})
    syncs = [result["machine"]["sync_ms"] for result in results]
    return (f"## The machine\n\n{machine['cores']} cores ({machine['processor']}) for server and load generator, Linux "
            f"{machine['kernel']}, {machine['file_system']}; a sync of 4 KiB takes {figures.number(min(syncs))} to "
            f"{figures.number(max(syncs))} ms. Measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))}.{stolen_words(results)}\n\n"
            + "".join(f"- {TITLES.get(name, name)}: {words}\n" for name, words in sorted(versions.items())))


def stolen_words(results):
    """How much of the machine was not there; nothing where that says nothing."""
    shares = [result["machine"]["stolen"] for result in results if "stolen" in result["machine"]]
    if not shares or max(shares) < 0.01:
        return ""
    return f" It is a virtual machine, whose host gave up to {max(shares):.0%} of the processors' time to others meanwhile."


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def goals_part(by_work):
    """All goals, those against Postfix and those that need no peer."""
    found = "## Goals\n\n" + row(["work", "what", "goal", "measured", ""]) + row(["---"] * 5)
    for name in works.BY_NAME:
        for goal in by_work.get(name, [{"goals": []}])[0]["goals"]:
            what, wanted, measured, met = tables.goal_words(goal, TITLES)
            found += row([name, what, wanted, measured, met if goal["met"] else f"**{met}**"])
    return found


def merged(results):
    """One summary of all peers: what is ours comes from the run with the first."""
    summary, calls = {}, {}
    for result in results:
        for server, found in result["summary"].items():
            summary.setdefault(server, found)
        for server, found in result.get("calls", {}).items():
            calls.setdefault(server, found)
    return {**results[0], "summary": summary, "calls": calls}


def work_part(name, results, files):
    whole = merged(results)
    rows = tables.rows_of(whole, TITLES)
    found = f"## {name}: {whole['title']}\n\n" + row(rows[0]) + row(["---", *["---:"] * (len(rows[0]) - 1)])
    found += "".join(row(cells) for cells in rows[1:])
    picture = plot_of(whole)
    if picture:
        files[f"performance/{name}.svg"] = picture
        found += f"\n![{whole['title']}](performance/{name}.svg)\n"
    return found + "".join(f"\n{tables.ratio_line(result, TITLES)}\n" for result in results if result["ratio"])


def plot_of(whole):
    if "lines" in whole:
        rows = [(server, TITLES[server], whole["lines"][server]) for server in tables.order(whole["lines"])]
        return plot.lines(f"{whole['title']}: a second", whole["points"], rows, figures.number)
    for measure in SHOWN:
        rows = [(server, TITLES[server], whole["summary"][server][measure]) for server in tables.order(whole["summary"])
                if measure in whole["summary"][server]]
        if len(rows) > 1:
            return plot.bars(f"{whole['title']}: {dict(tables.COLUMNS)[measure]}", rows, figures.number)
    return None
