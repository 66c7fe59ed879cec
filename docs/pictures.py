"""Draws the pictures of README.md, the cookbook and python.md: `session.svg` and `explore.svg` from what the command prints,
`speed.svg` from measured records, and `python.svg` from what cells of a notebook return.

    cargo build -p avro-sql-cli
    python3 docs/pictures.py target/debug/avro-sql [PYTHON]

Needs Python 3.9 on Linux or macOS and no packages. `python.svg` is drawn if there is a PYTHON, which has `avro_sql` and Polars. Each command of the session runs in a pseudo-terminal of 96 columns, in a
temporary folder that has `testdata/sql/events` as `events/`, so that the picture shows what a person sees.
"""

import fcntl
import html
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
COLUMNS = 96

# The session: words of each command line, as a shell would split them.
SESSION = [
    ["count", "events/"],
    [
        "-c",
        "SELECT kind, count(*) AS n, sum(amount * 1.19) AS gross\n"
        "    FROM 'events/' WHERE address.city = 'Quito' GROUP BY kind ORDER BY n DESC",
    ],
    [
        "-c",
        "SELECT tag, count(*) AS n FROM 'events/' e, UNNEST(e.tags) AS u(tag)\n"
        "    GROUP BY ALL ORDER BY n DESC LIMIT 2",
    ],
    ["-c", "SELECT amonut FROM 'events/'"],
    ["convert", "events/", "buys.parquet", "--where", "kind = 'BUY'"],
    ["-c", "SELECT count(*) AS buys FROM 'buys.parquet'"],
]

# A first look at an unknown directory, to an answer and a Parquet file.
EXPLORE = [
    ["ls", "incoming/"],
    [
        "-c",
        "SELECT column_name, column_type, null_percentage AS nulls, min, max, distribution\n"
        "    FROM (SUMMARIZE 'incoming/part-*.avro') WHERE column_name IN ('id', 'kind', 'amount', 'at')",
    ],
    ["-c", "FROM histogram('incoming/part-*.avro', 'amount', 5)"],
    ["-c", "SELECT _row, id, kind, amount FROM 'incoming/part-*.avro' WHERE amount < -60"],
    [
        "-c",
        "PIVOT (SELECT address.city, kind FROM 'incoming/part-*.avro')\n"
        "    ON kind USING count(*) GROUP BY city ORDER BY city",
    ],
    ["convert", "incoming/part-*.avro", "events.parquet"],
]

# Cells of a notebook. What the last line returns is shown.
NOTEBOOK = [
    'import avro_sql, polars as pl\nscan = avro_sql.read_avro("events/", columns=["id", "kind", "address.city"], where="amount > 50")\nscan.schema.names',
    "scan.to_polars().head(3)",
    'events = avro_sql.scan_avro("events/")\n'
    'cities = events.filter(pl.col("kind") == "BUY").group_by(pl.col("address").struct.field("city"))\n'
    'cities.len().sort("len").tail(2).collect()',
    'avro_sql.sql("SELECT kind, count(*) AS n FROM \'events/\' GROUP BY kind LIMIT 2").to_polars()',
]
CELLS = """
import ast, json, sys
names = {}
for cell in json.loads(sys.argv[1]):
    *body, last = ast.parse(cell).body
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    print(json.dumps(repr(eval(compile(ast.Expression(last.value), "cell", "eval"), names))))
"""

# The bars: a record, a case in it, and what that case is called here.
RECORDS = ROOT / "benches" / "records"
BARS = [
    ("2026-11-22-x86_64-2-cores", "lineitem", "lineitem, all 16 columns"),
    ("2026-11-22-x86_64-2-cores", "lineitem-2of16", "lineitem, 2 of 16 columns"),
    ("2026-11-22-x86_64-2-cores", "lineitem-nulls", "lineitem, an eighth null"),
    ("2026-11-23-x86_64-2-cores", "lineitem-snappy", "lineitem, snappy"),
    ("2026-11-22-x86_64-2-cores", "lineitem-zstandard", "lineitem, zstandard"),
    ("2026-11-22-x86_64-2-cores", "wide", "wide, 100 columns"),
    ("2026-11-22-x86_64-2-cores", "events", "events, nested records"),
]


def run(binary, words, folder):
    """What the command prints on a terminal, without escape sequences."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
        os.chdir(folder)
        environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "TERM": "xterm", "PAGER": "cat"}
        os.execve(binary, ["avro-sql", *words], environment)
    printed = b""
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # Linux reports the end of a pseudo-terminal as an error.
            break
        if not piece:
            break
        printed += piece
    os.waitpid(pid, 0)
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode())
    # A progress bar erases itself: only what follows the last carriage return of a line stays visible.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def quoted(word):
    return word if re.fullmatch(r"[\w./=-]+", word) else f'"{word}"'


def session_svg(binary, session, title):
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        events = ROOT / "testdata" / "sql" / "events"
        shutil.copytree(events, Path(folder) / "events")
        incoming = Path(folder) / "incoming"
        incoming.mkdir()
        for number, file in enumerate(sorted(events.rglob("*.avro"))[:3]):
            shutil.copy(file, incoming / f"part-{number}.avro")
        (incoming / "notes.json").write_text('{"from": "upstream"}')
        (incoming / "cut.avro").write_bytes((incoming / "part-2.avro").read_bytes()[:-100])
        for words in session:
            command = " ".join(["avro-sql", *map(quoted, words)])
            for number, line in enumerate(command.split("\n")):
                lines.append(("command", ("$ " if number == 0 else "  ") + line))
            for line in run(binary, words, folder):
                lines.append(("error" if "error:" in line else "out", line))
    return terminal_svg(lines, title)


def notebook_svg(python, cells, title):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "testdata" / "sql" / "events", Path(folder) / "events")
        command = [python, "-c", CELLS, json.dumps(cells)]
        returned = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    lines = []
    for number, (cell, value) in enumerate(zip(cells, map(json.loads, returned.splitlines())), 1):
        for kind, label, text in (("command", f"In [{number}]: ", cell), ("out", "", value)):
            for at, line in enumerate(text.split("\n")):
                lines.append((kind, (label if at == 0 else " " * len(label)) + line))
        lines.append(("out", ""))
    return terminal_svg(lines[:-1], title, 900)


def terminal_svg(lines, title, width=860):
    """Lines of text, each of a kind, as a terminal shows them."""
    step, top = 18, 56
    height = top + step * len(lines) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{title}</title>",
        "<style>text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre }",
        ".command { fill: #f0f6fc; font-weight: 600 } .out { fill: #c9d1d9 } .error { fill: #ff7b72 }</style>",
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="#0d1117" stroke="#3d444d"/>',
        '<circle cx="20" cy="20" r="6" fill="#ff5f57"/><circle cx="40" cy="20" r="6" fill="#febc2e"/>'
        '<circle cx="60" cy="20" r="6" fill="#28c840"/>',
    ]
    for number, (kind, line) in enumerate(lines):
        y = top + step * number
        parts.append(f'<text x="20" y="{y}" class="{kind}" xml:space="preserve">{html.escape(line, quote=False)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def seconds(record, case):
    """Seconds of both engines for a case, on one thread."""
    found = {}
    for line in (RECORDS / f"{record}.tsv").read_text().splitlines():
        fields = line.split("\t")
        if fields[0] == case and fields[2] == "1":
            found[fields[1]] = float(fields[5])
    return found["ours"], found["arrow-avro"]


def speed_svg():
    left, right, row, top, width = 210, 760, 44, 66, 860
    height = top + row * len(BARS) + 12
    measured = [(label, *seconds(record, case)) for record, case, label in BARS]
    longest = max(theirs for _, _, theirs in measured)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        "<title>Seconds to decode Avro files on one thread, avro-arrow and arrow-avro</title>",
        "<style>svg { font: 13px -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif }",
        ".page { fill: #ffffff; stroke: #d1d9e0 } text { fill: #1f2328 } .faint { fill: #59636e } .title { font-size: 16px; font-weight: 600 }",
        ".ours { fill: #0969da } .theirs { fill: #afb8c1 }",
        "@media (prefers-color-scheme: dark) { .page { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .faint { fill: #9198a1 }",
        ".ours { fill: #4493f8 } .theirs { fill: #57606a } }</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6"/>',
        '<text x="16" y="28" class="title">Seconds to decode a file on one thread (shorter is better)</text>',
        '<rect class="ours" x="16" y="40" width="12" height="12"/><text x="34" y="51">avro-arrow</text>',
        '<rect class="theirs" x="130" y="40" width="12" height="12"/><text x="148" y="51">arrow-avro 60.1</text>',
    ]
    for number, (label, ours, theirs) in enumerate(measured):
        y = top + row * number
        scale = (right - left) / longest
        parts.append(f'<text x="{left - 10}" y="{y + 22}" text-anchor="end">{label}</text>')
        for kind, value, offset in (("ours", ours, 4), ("theirs", theirs, 20)):
            note = f"{value:.2f} s" + (f"  ({theirs / ours:.1f}×)" if kind == "ours" else "")
            end = value * scale
            parts.append(f'<rect class="{kind}" x="{left}" y="{y + offset}" width="{end:.1f}" height="14"/>')
            parts.append(f'<text class="faint" x="{left + end + 6:.1f}" y="{y + offset + 12}">{note}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: pictures.py AVRO_SQL [PYTHON]")
    binary = str(Path(sys.argv[1]).resolve())
    title = "A session of avro-sql: queries over a directory of Avro files, an error, a conversion"
    (DOCS / "session.svg").write_text(session_svg(binary, SESSION, title))
    title = "A first look at a directory: its files, a summary, a histogram, rows, a pivot, a conversion to Parquet"
    (DOCS / "explore.svg").write_text(session_svg(binary, EXPLORE, title))
    (DOCS / "speed.svg").write_text(speed_svg())
    if len(sys.argv) == 3:
        title = "A notebook: Avro files as a scan, as a frame of Polars, lazily, and by SQL"
        (DOCS / "python.svg").write_text(notebook_svg(sys.argv[2], NOTEBOOK, title))


if __name__ == "__main__":
    main()
