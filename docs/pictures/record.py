"""Records commands in a terminal as an animated SVG: record.py OUTPUT COMMAND...

Each command is typed into a shell in tmux. A command of one letter answers the question of the command before. The screen
is read several times a second; each different screen is a frame. Viewers that want no motion see the last frame.
"""

import html
import re
import subprocess
import sys
import time

COLUMNS, ROWS = 110, 30
CELL, LINE, SIZE = 7.8, 17, 13
PROMPT = "$ "
PAUSE = 1.2  # seconds for which a screen is shown at most while nothing happens
COLOURS = {
    30: "#666", 31: "#f88", 32: "#8d8", 33: "#ed8", 34: "#8bf", 35: "#d9f", 36: "#7dd", 37: "#ddd",
    90: "#888", 91: "#f99", 92: "#9e9", 93: "#fe9", 94: "#9cf", 95: "#eaf", 96: "#8ee", 97: "#fff",
}
SOCKET = f"record-{time.time_ns()}"


def tmux(*arguments):
    command = ["tmux", "-L", SOCKET, "-f", "/dev/null", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def screen():
    return tuple(tmux("capture-pane", "-e", "-p").rstrip("\n").split("\n"))


def last_line(lines):
    text = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    return next((line for line in reversed(text) if line.strip()), "")


class Recording:
    """The screens so far, each with the seconds for which it was shown."""

    def __init__(self):
        self.frames = []
        self.since = time.monotonic()

    def look(self):
        now, lines = time.monotonic(), screen()
        if not self.frames or self.frames[-1][0] != lines:
            self.frames.append([lines, 0.0])
        self.frames[-1][1] += now - self.since
        self.since = now
        return lines

    def wait(self, is_over, limit=120):
        end = time.monotonic() + limit
        while not is_over(last_line(self.look())):
            if time.monotonic() > end:
                raise SystemExit("the command did not come to its end")
            time.sleep(0.25)

    def hold(self, seconds):
        """Shows the last screen for as long as it takes to read it."""
        self.frames[-1][1] = seconds
        self.since = time.monotonic()


def record(commands):
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "env", f"PS1={PROMPT}", "bash", "--norc", "--noprofile")
    recording = Recording()
    is_prompt = lambda line: line.strip() == PROMPT.strip()
    try:
        recording.wait(is_prompt)
        for command, following in zip(commands, [*commands[1:], ""]):
            tmux("send-keys", "-l", command)
            recording.look()
            recording.hold(PAUSE)
            tmux("send-keys", "Enter")
            time.sleep(0.3)
            recording.wait(lambda line: line.rstrip().endswith("[y/N]") if len(following) == 1 else is_prompt(line))
            recording.hold(3 * PAUSE)
    finally:
        tmux("kill-server")
    return [(lines, seconds if seconds > PAUSE * 2 else min(seconds, PAUSE)) for lines, seconds in recording.frames]


def spans(line):
    """The parts of a line: column, text and class or colour."""
    column, colour, weight = 0, None, ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        codes = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if not codes:
            if part.strip():
                yield column, part, colour, weight
            column += len(part)
            continue
        for code in (int(code or 0) for code in codes[1].split(";")):
            if code in (0, 39):
                colour = None
            if code in (0, 22):
                weight = ""
            elif code == 1:
                weight = ' font-weight="bold"'
            elif code == 2:
                weight = ' opacity=".7"'
            colour = COLOURS.get(code, colour)


def drawn(line):
    parts = []
    for column, text, colour, weight in spans(line):
        lead = len(text) - len(text.lstrip())
        fill = f' fill="{colour}"' if colour else ""
        shown = html.escape(text.strip(), quote=False)
        width = f' textLength="{len(text.strip()) * CELL:.0f}"' if len(text.strip()) > 1 else ""
        parts.append(f'<tspan x="{(column + lead) * CELL:.1f}"{width}{fill}{weight}>{shown}</tspan>')
    return "".join(parts)


def svg(frames):
    total = sum(seconds for _, seconds in frames)
    numbers, groups, moments, now = {}, [], [], 0.0
    for index, (lines, seconds) in enumerate(frames):
        uses = []
        for row, line in enumerate(lines):
            if drawn(line):
                number = numbers.setdefault(line, len(numbers))
                uses.append(f'<use href="#l{number}" y="{(row + 1) * LINE}"/>')
        start, end = 100 * now / total, 100 * (now + seconds) / total
        now += seconds
        first = "" if index == 0 else "0%{visibility:hidden}"
        last = "" if index == len(frames) - 1 else f"{end:.2f}%{{visibility:hidden}}"
        moments.append(f"@keyframes k{index}{{{first}{start:.2f}%{{visibility:visible}}{last}}}")
        groups.append(f'<g style="animation-name:k{index}">{"".join(uses)}</g>')
    texts = "".join(f'<text id="l{number}">{drawn(line)}</text>' for line, number in numbers.items())
    width, height = COLUMNS * CELL + 24, ROWS * LINE + 24
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">
<title>zpa-bulk applies 240 links in a terminal, repeats one that was refused, and verifies the run</title>
<style>
text{{font:{SIZE}px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#ddd;white-space:pre}}
g g{{visibility:hidden;animation:{total:.1f}s step-end infinite}}
@media (prefers-reduced-motion:reduce){{g g{{animation:none}}g g:last-child{{visibility:visible}}}}
@media print{{g g{{animation:none}}g g:last-child{{visibility:visible}}}}
{"".join(moments)}
</style>
<defs>{texts}</defs>
<rect width="100%" height="100%" rx="6" fill="#181818"/>
<g transform="translate(12 8)">{"".join(groups)}</g>
</svg>
"""


if __name__ == "__main__":
    output, *commands = sys.argv[1:]
    with open(output, "w", encoding="utf-8") as file:
        file.write(svg(record(commands)))
