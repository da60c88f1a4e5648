# SPDX-License-Identifier: MIT
"""What `shunt events --follow` says of a daemon, while something is done to the mesh around it."""

import json
import os
import subprocess
import tempfile
import threading

import answers
from lab import wait_for


class Followed:
    """with Followed(daemon) as f: ...; f.events are the lines so far, each held against its schema."""

    def __init__(self, daemon, *words):
        self.daemon = daemon
        self.events = []
        self.words = words

    def __enter__(self):
        self.told = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [os.path.join(self.daemon.mesh.build, "shunt"), "events", "--follow", "--json", "--last", "1",
             *self.words, "--run-dir", self.daemon.run_dir],
            stdout=subprocess.PIPE, stderr=self.told, text=True)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()
        # The last one of before is there: all that follow are.
        wait_for(f"{self.daemon.name} tells of events", lambda: self.events, 30)
        self.events.clear()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        self.told.close()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def errors(self):
        """What standard error has."""
        self.told.seek(0)
        return self.told.read()

    def of(self, kind, **members):
        """Those of a kind that have these members."""
        return [e for e in list(self.events)
                if e["kind"] == kind and all(e[k] == v for k, v in members.items())]

    def wait(self, kind, seconds, words="", **members):
        """The first such event whose text has these words."""
        def found():
            return next((e for e in self.of(kind, **members) if words in e["text"]), None)
        wait_for(f"{self.daemon.name} tells {kind} {members} {words}", found, seconds)
        return found()

    def check(self):
        """Each is as its schema says, of the next number, and behind what it was caused by."""
        before = None
        for e in self.events:
            answers.check("event", e)
            assert e["node"] == self.daemon.name
            assert e["because"] is None or e["because"] < e["event"]
            assert before is None or e["event"] == before + 1 or e["kind"] == "start"
            before = e["event"]
