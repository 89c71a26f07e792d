"""What the provide-*.py scripts share: the user's cache folder, things made once in it, and messages that say what to do."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MARKER = "perrin-complete"


class Provider:
    """One script: `name` is in its messages, in its lock and in its unfinished folders."""

    def __init__(self, name):
        self.name = name

    def say(self, text):
        print(f"{self.name}: {text}", flush=True)

    def fail(self, what, advice):
        sys.exit(f"provide-{self.name}: {what}\n  {advice}")

    def run(self, command, advice, scratch, **options):
        """Run a program that shows its own progress. `scratch` is for its temporary files: /tmp may be small."""
        try:
            return subprocess.run(command, check=True, env={**os.environ, "TMPDIR": str(scratch)}, **options)
        except FileNotFoundError:
            self.fail(f"there is no {command[0]} here", advice)
        except subprocess.CalledProcessError:
            self.fail(f"`{' '.join(map(str, command))}` did not succeed", advice)

    def pip(self, arguments, otherwise, scratch):
        """pip checks each file it downloads against its hash. `otherwise` is what to do where it does not work."""
        advice = "Check the network and that `python3 -m pip` works (Debian: apt install python3-pip), then run this again"
        command = [sys.executable, "-m", "pip", *arguments, "--no-cache-dir", "--disable-pip-version-check"]
        self.run(command, f"{advice};\n  {otherwise}." if otherwise else f"{advice}.", scratch)

    def make_once(self, finished, make, megabytes):
        """`finished`, a folder in the cache; if it is not there, `make(scratch)` fills `scratch`/finished with it.

        It is made beside its place and renamed into it, so that a half-made one is never used.
        """
        if (finished / MARKER).exists():  # a shared cache may be one that this user only reads
            return finished
        folder = finished.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.fail(f"cannot make the cache folder {folder} ({error.strerror})", "Set XDG_CACHE_HOME to a folder you may write to.")
        with open(folder / f"lock-{self.name}", "w") as lock:  # a second checkout waits for the first instead of fetching too
            fcntl.flock(lock, fcntl.LOCK_EX)
            for stale in folder.glob(f"{self.name}-unfinished-*"):
                shutil.rmtree(stale, ignore_errors=True)
            if (finished / MARKER).exists():
                return finished
            free = shutil.disk_usage(folder).free >> 20
            if free < megabytes:
                self.fail(f"{folder} has {free} MB free, {megabytes} MB are needed while unpacking",
                          "Free some space or point XDG_CACHE_HOME at a larger disk, then run this again.")
            with tempfile.TemporaryDirectory(prefix=f"{self.name}-unfinished-", dir=folder) as scratch:
                made = Path(scratch) / "finished"
                make(Path(scratch))
                (made / MARKER).write_text("")
                if finished.exists():
                    shutil.rmtree(finished)
                os.rename(made, finished)
            self.say(f"ready in {finished}")
        return finished


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "perrin"


def start(main, name):
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(f"\nprovide-{name}: interrupted; nothing half-made is used, run it again to start over")
