"""Results as text: the tables and lines that bench/compare prints and bench/report writes."""
from figures import MEASURES, number

# Columns: what is shown of each server, and the figure below which a result keeps it.
COLUMNS = (("rate", "a second"), ("mb_per_second", "MB/s"), ("handshakes", "handshakes/s"),
           ("latency_median", "median ms"), ("latency_p99", "p99 ms"), ("bytes_each", "KiB a session"),
           ("memory", "MiB"), ("restart", "restart s"), ("cpu_us", "CPU µs each"), ("per_cpu_second", "a CPU second"))


def figure(found):
    """12,345 (11,900–12,800)"""
    if found["least"] == found["greatest"]:
        return number(found["median"])
    return f"{number(found['median'])} ({number(found['least'])}–{number(found['greatest'])})"


def order(servers):
    ours = [name for name in ("postrider", "floor") if name in servers]
    return ours + [name for name in servers if name not in ours]


def rows_of(result, titles):
    """[heading, rows...] of words"""
    if "lines" in result:
        return [["a second at", *[f"{point:,}" for point in result["points"]]],
                *[[titles.get(server, server), *[number(rate) for rate in result["lines"][server]]]
                  for server in order(result["lines"])]]
    summary, calls = result["summary"], result.get("calls", {})
    shown = [(measure, title) for measure, title in COLUMNS if any(measure in found for found in summary.values())]
    heading = ["", *[title for _, title in shown]] + (["calls", "syncs"] if calls else [])
    rows = [heading]
    for server in order(summary):
        row = [titles.get(server, server)]
        row += [figure(summary[server][measure]) if measure in summary[server] else "–" for measure, _ in shown]
        if calls:
            found = calls.get(server)
            row += [number(found["calls"]), number(found["syncs"])] if found else ["–", "–"]
        rows.append(row)
    return rows


def table_of(result, titles):
    rows = rows_of(result, titles)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]])
            for row in rows]


def goal_words(goal, titles):
    """(what, wanted, measured, met)"""
    what = MEASURES[goal["measure"]][0]
    beside = f", beside {titles.get(goal['against'], goal['against'])}" if goal["against"] else ""
    measured = figure(goal) + ("×" if goal["against"] else "")
    return what + beside, goal["wanted"], measured, "met" if goal["met"] else "not met"


def goal_line(goal, titles):
    what, wanted, measured, met = goal_words(goal, titles)
    return f"goal: {what}: {wanted}; measured {measured}: {met}"


def ratio_line(result, titles):
    return f"Beside {titles[result['peer']]}: {figure(result['ratio'])} times as fast."
