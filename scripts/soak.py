"""The load of scripts/soak, its samples, and their picture. Python's own library is all it needs."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PROGRAM, MINUTES = os.environ["SOAK_PROGRAM"], float(os.environ["SOAK_MINUTES"])
PLOT, KILL, URL = (os.environ[name] for name in ("SOAK_PLOT", "SOAK_KILL", "SOAK_URL"))
CLIENTS = 8
# Seconds that each client takes at least for its five requests.
PERIOD = 5 * CLIENTS / float(os.environ["SOAK_RATE"] or "inf")
# By how much the second half may lie above the first: as a factor, or as a number.
SLACK = {"resident memory (MB)": (1.10, 8), "file descriptors": (1.10, 8), "database connections": (1.10, 2)}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.folder, self.port, self.figures = folder, free_port(), free_port()
        database = f'[database]\nurl = "{URL}"\n' if URL else ""
        with open(f"{folder}/ostiary.toml", "w") as file:
            file.write(
                f'[server]\nlisten = "127.0.0.1:{self.port}"\nissuer = "http://localhost:{self.port}"\n'
                f'[metrics]\nlisten = "127.0.0.1:{self.figures}"\n[limits]\nenabled = false\n{database}'
            )
        self.process = None
        self.start()

    def start(self):
        command = [PROGRAM, "--json", "serve"]
        self.log = open(f"{self.folder}/log", "a")
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=self.log)
        if not self.process.stdout.readline():
            sys.exit(f"the server does not start: {open(f'{self.folder}/log').read()}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def run(self, *arguments):
        done = subprocess.run([PROGRAM, "--json", *arguments], cwd=self.folder, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def sample(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.figures, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()

        def value(series):
            found = re.search("^" + re.escape(series) + r" (\S+)$", text, re.M)
            return float(found.group(1)) if found else 0.0

        return {
            "resident memory (MB)": value("process_resident_memory_bytes") / 1e6,
            "file descriptors": value("process_open_fds"),
            "database connections": value('ostiary_database_connections{state="open"}'),
        }


class Load:
    def __init__(self, server, client):
        secret = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        self.headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/x-www-form-urlencoded"}
        self.server, self.ends, self.answers, self.broken = server, False, 0, []
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.ends:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
                while not self.ends:
                    self.step(connection)
            except (OSError, http.client.HTTPException):
                # It was killed, or is starting.
                time.sleep(0.05)

    def post(self, connection, path, fields, headers=None):
        connection.request("POST", path, urllib.parse.urlencode(fields), headers or self.headers)
        return self.read(connection, path)

    def read(self, connection, path):
        answer = connection.getresponse()
        body = answer.read()
        self.answers += 1
        if answer.status >= 500 and not (answer.status == 503 and KILL):
            self.broken.append((path, answer.status, body[:200]))
        return answer.status, body

    def step(self, connection):
        next_step = time.monotonic() + PERIOD
        _, body = self.post(connection, "/token", {"grant_type": "client_credentials"})
        token = json.loads(body).get("access_token", "none")
        self.post(connection, "/introspect", {"token": token})
        self.post(connection, "/revoke", {"token": token})
        self.post(connection, "/token", {"grant_type": "refresh_token", "refresh_token": "unknown"})
        connection.request("GET", "/jwks")
        self.read(connection, "/jwks")
        time.sleep(max(0, next_step - time.monotonic()))

    def end(self):
        self.ends = True
        for thread in self.threads:
            thread.join(15)


def mean(values):
    return sum(values) / len(values)


def picture(samples, path):
    """One small chart for each figure, over the minutes."""
    width, height, gap = 720, 150, 40
    names = list(samples[0][1])
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 80}" height="{len(names) * (height + gap) + 10}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    last = samples[-1][0] or 1
    for row, name in enumerate(names):
        top = row * (height + gap) + 30
        most = max(values[name] for _, values in samples) * 1.2 or 1
        points = " ".join(
            f"{60 + at / last * width:.1f},{top + height - values[name] / most * height:.1f}" for at, values in samples
        )
        out += [
            f'<text x="60" y="{top - 8}">{name}</text>',
            f'<path d="M60 {top} V{top + height} H{60 + width}" fill="none" stroke="#888"/>',
            f'<text x="52" y="{top + 10}" text-anchor="end">{most:.0f}</text>',
            f'<text x="52" y="{top + height}" text-anchor="end">0</text>',
            f'<text x="{60 + width}" y="{top + height + 15}" text-anchor="end">{last / 60:.0f} min</text>',
            f'<polyline points="{points}" fill="none" stroke="#1a5fb4" stroke-width="1.5"/>',
        ]
    with open(path, "w") as file:
        file.write("\n".join([*out, "</svg>", ""]))


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        client = server.run("client", "create", "--name", "Soak", "--service")
        load = Load(server, client)
        began, samples, kills = time.monotonic(), [], 0
        while (passed := time.monotonic() - began) < MINUTES * 60:
            time.sleep(1)
            if KILL and passed > 60 * (kills + 1):
                server.kill()
                kills += 1
                continue
            try:
                samples.append((passed, server.sample()))
            except OSError:
                continue
        load.end()
        intact = server.run("audit", "verify")["intact"]
        code = server.stop()
        if PLOT:
            picture(samples, PLOT)
        failed = not intact or code != 0 or bool(load.broken)
        print(f"{load.answers} answers, {kills} kills, audit log {'whole' if intact else 'BROKEN'}, exit code {code}")
        for path, status, body in load.broken[:10]:
            print(f"BROKEN: {path} {status} {body!r}")
        # The first tenth is warming up.
        steady = [values for _, values in samples[len(samples) // 10 :]]
        half = len(steady) // 2
        for name, (factor, free) in SLACK.items():
            first, second = (mean([values[name] for values in part]) for part in (steady[:half], steady[half:]))
            grows = second > first * factor and second > first + free
            failed |= grows
            print(f"{name}: {first:.1f} in the first half, {second:.1f} in the second{': IT GROWS' if grows else ''}")
        sys.exit(1 if failed else 0)


main()
