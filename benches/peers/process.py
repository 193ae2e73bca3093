# Programs that are started, measured and surely ended again.

import os
import pathlib
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")

# waits for the end of its pipe, which comes also when the comparison is killed, and then ends the whole group
GUARD = 'trap "" INT TERM HUP; read -r _; kill -s KILL -- "-$1"'


class Program:
    """A program in a session of its own, with all its children. What it says goes into the file `said`."""

    def __init__(self, argv, said, user=None, env=None, cwd="/"):
        self.said = pathlib.Path(said)
        with open(said, "wb") as out:
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd, start_new_session=True,
                **({"user": user[0], "group": user[1], "extra_groups": []} if user else {}),
            )
        self.guard = subprocess.Popen(
            ["sh", "-c", GUARD, "guard", str(self.child.pid)], stdin=subprocess.PIPE, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def stop(self):
        self.guard.stdin.close()
        self.guard.wait()
        self.child.wait()

    def text(self):
        return self.said.read_text(errors="replace")

    def check(self):
        """Raises when the program has ended."""
        if self.child.poll() is not None:
            last = "; ".join(self.text().strip().splitlines()[-3:])
            raise RuntimeError(f"ended with {self.child.returncode}: {last[-400:]}")

    def pids(self):
        """The program and all that descend from it."""
        children = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := stat_fields(int(entry.name))):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        found, todo = [], [self.child.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo.extend(children.get(pid, []))
        return found

    def memory(self):
        """RSS, PSS and private memory of all processes together, in KiB."""
        total = {"rss": 0, "pss": 0, "private": 0}
        for pid in self.pids():
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            except OSError:
                continue  # has ended meanwhile
            kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            total["rss"] += kib["Rss"]
            total["pss"] += kib["Pss"]
            total["private"] += kib["Private_Clean"] + kib["Private_Dirty"]
        return total

    def cpu_seconds(self):
        """What all processes that live have used so far."""
        fields = [stat_fields(pid) for pid in self.pids()]
        return sum(int(one[11]) + int(one[12]) for one in fields if one) / TICKS

    def threads(self):
        return sum(int(one[17]) for one in (stat_fields(pid) for pid in self.pids()) if one)


def stat_fields(pid):
    """The fields of /proc/PID/stat from the state on; None when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
