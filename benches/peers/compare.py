# The comparison: starts a server and all programs on it, measures them side by side, and prints tables and JSON.

import argparse
import base64
import datetime
import json
import os
import pathlib
import platform
import resource
import shlex
import shutil
import sys
import tempfile
import time

from programs import PEERS, job_for, wait_until_watching
from servers import REPO, SERVERS, Courier, NotToBeHad
from wecom import WeCom

SENDER = "王小明"
# mailbell promises at most 50 syncs an hour for one person, and takes one at the start
MOST_LETTERS_TO_ONE = 48
# after so many letters in a row that were not told a program gets no more
MOST_MISSED = 3


def arguments():
    of = argparse.ArgumentParser(prog="benches/peers/run", description="The same job done by mailbell and by its peers.")

    def names(known):
        def read(text):
            chosen = text.split(",")
            for name in chosen:
                if name not in known:
                    raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
            return chosen

        return read

    def counts(text):
        chosen = [int(word) for word in text.split(",")]
        if min(chosen) < 1 or max(chosen) > 3000:
            raise argparse.ArgumentTypeError("1 to 3000 mailboxes")
        return chosen

    of.add_argument("--mailboxes", type=counts, default=[1, 100, 1000], metavar="1,100,1000")
    of.add_argument("--servers", type=names(SERVERS), default=list(SERVERS), metavar=",".join(SERVERS))
    of.add_argument("--peers", type=names(PEERS), default=list(PEERS), metavar=",".join(PEERS))
    of.add_argument("--letters", type=int, default=50, help="to each program in each step (default: 50)")
    of.add_argument("--idle", type=float, default=30, help="seconds over which idle CPU is measured, at the largest number of mailboxes (default: 30)")
    of.add_argument("--in-turn", action="store_true", help="only one program runs at a time; takes longer")
    of.add_argument("--mailbell", default=REPO / "target/release/mailbell", help="the program to measure")
    of.add_argument("--programs", metavar="DIR", help="keep what was installed, for the next run")
    of.add_argument("--note", default="", help="what a reader must know of this run, such as: busy machine")
    of.add_argument("--json", metavar="FILE", help="all that was measured, each latency included")
    return of.parse_args()


def say(text):
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def letter(number, to):
    """A letter with an encoded sender and subject, and the words that tell it in a message."""
    mark = f"编号{number:06}"
    subject = base64.b64encode(f"项目进度 {mark}".encode("gb18030")).decode()
    sender = base64.b64encode(SENDER.encode()).decode()
    now = datetime.datetime.now(datetime.timezone.utc)
    text = f"""From: =?UTF-8?B?{sender}?= <wang@partner.example>
To: <{to}>
Subject: =?GB18030?B?{subject}?=
Date: {now:%a, %d %b %Y %H:%M:%S} +0000
Message-ID: <{number}.{time.time_ns()}@partner.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

A letter of the comparison.
"""
    return text.replace("\n", "\r\n").encode(), mark


def percentile(sorted_values, part):
    """The smallest value that at least this part of all values does not pass."""
    if not sorted_values:
        return None
    return sorted_values[max(0, -(-len(sorted_values) * part // 100) - 1)]


class Step:
    """Some programs at one server with one number of mailboxes each."""

    def __init__(self, peers, server, wecom, count, options, home):
        self.server, self.wecom, self.count, self.options = server, wecom, count, options
        self.rows = {peer: {"program": peer.name, "server": server.name, "mailboxes": count} for peer in peers}
        self.home = home
        self.running = {}
        self.number = 0

    def run(self):
        try:
            for peer in self.rows:
                self.start(peer)
            self.measure_idle()
            self.deliver()
        finally:
            for _, program in self.running.values():
                program.stop()
        return list(self.rows.values())

    def failed(self, peer, error):
        say(f"  {peer.name}: {error}")
        self.rows[peer]["failed"] = str(error)
        self.running.pop(peer)[1].stop()

    def start(self, peer):
        place = self.home / f"{self.server.name}-{self.count}-{peer.name}"
        place.mkdir(mode=0o755)
        job = job_for(peer, self.server, self.wecom, self.count)
        program = peer.start(job, place)
        self.running[peer] = (job, program)
        try:
            took = wait_until_watching(peer, program, job, 60 + self.count / 5)
        except RuntimeError as error:
            self.failed(peer, error)
            return
        self.rows[peer]["start_seconds"] = round(took, 3)
        say(f"  {peer.name}: watches {self.count} after {took:.1f} s")

    def measure_idle(self):
        time.sleep(3)  # hibernation, and what each does after its start
        before = {peer: program.cpu_seconds() for peer, (_, program) in self.running.items()}
        began = time.monotonic()
        # with fewer there is nothing to be seen
        if self.count == max(self.options.mailboxes):
            time.sleep(self.options.idle)
        seconds = time.monotonic() - began
        for peer, (_, program) in list(self.running.items()):
            try:
                program.check()
            except RuntimeError as error:
                self.failed(peer, error)
                continue
            row = self.rows[peer]
            if self.count == max(self.options.mailboxes):
                row["idle_cpu_percent"] = round(100 * (program.cpu_seconds() - before[peer]) / max(seconds, 0.001), 2)
                row["idle_seconds"] = round(seconds, 1)
            row["memory_kib"] = program.memory()
            row["threads"] = program.threads()

    def deliver(self):
        """Letters one at a time, to the programs by turns."""
        rounds = self.options.letters + 1
        if self.count == 1:
            rounds = min(rounds, MOST_LETTERS_TO_ONE)
        last = {}
        self.courier = Courier(self.server.lmtp)
        for at in range(rounds):
            for peer in list(self.running):
                if peer.letters is None or at <= peer.letters:
                    self.deliver_one(peer, at, last)
                given = self.rows[peer]["letters"]
                if len(given) >= MOST_MISSED and all(one["post_ms"] is None for one in given[-MOST_MISSED:]):
                    self.failed(peer, f"{MOST_MISSED} letters one after the other were not told")
        self.courier.close()
        for peer in self.running:
            row = self.rows[peer]
            # the first letter makes a program load what it loads once
            row["first"] = row["letters"].pop(0)
            seen = sorted(one["post_ms"] for one in row["letters"] if one["post_ms"] is not None)
            row["missed"] = len(row["letters"]) - len(seen)
            row["p50_ms"], row["p99_ms"] = percentile(seen, 50), percentile(seen, 99)
            row["most_ms"] = seen[-1] if seen else None
            say(f"  {peer.name}: {len(seen)} letters, p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms, {row['missed']} missed")

    def deliver_one(self, peer, at, last):
        job, program = self.running[peer]
        user = job["users"][at % self.count]
        rested = last.get(user, 0) + self.server.quiet_seconds
        time.sleep(max(0.05, rested - time.monotonic()))
        self.number += 1
        text, mark = letter(self.number, user)
        self.wecom.forget()
        sent, taken = self.courier.deliver(user, text)
        words = [mark, "项目进度", SENDER] if peer.tells_letter else [user]
        read = self.wecom.wait_for(words, 8)
        last[user] = time.monotonic()
        self.rows[peer].setdefault("letters", []).append(
            {
                "taken_ms": round((taken - sent) * 1000, 2),
                "post_ms": None if read is None else round((read - sent) * 1000, 2),
            }
        )
        if read is None:
            say(f"  {peer.name}: letter {at} to mailbox {at % self.count} was not told within 8 s; it said {program.text()[-300:]!r}")


def number(value, form="{:.1f}"):
    return "–" if value is None else form.format(value)


def table(rows, peers):
    out = [
        "| server | mailboxes | program | start to all watching, s | RSS, MiB | PSS, MiB | idle CPU, % of a core | letter to POST p50, ms | p99, ms | missed |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        says = PEERS[row["program"]].says
        if "failed" in row:
            out.append(f"| {row['server']} | {row['mailboxes']:,} | {says} | failed: {row['failed'][:80]} | | | | | | |")
            continue
        memory = row["memory_kib"]
        values = [
            number(row["start_seconds"], "{:.2f}"),
            number(memory["rss"] / 1024),
            number(memory["pss"] / 1024),
            number(row.get("idle_cpu_percent"), "{:.2f}"),
            number(row["p50_ms"]),
            number(row["p99_ms"]),
            f"{row['missed']} of {len(row['letters'])}",
        ]
        out.append(f"| {row['server']} | {row['mailboxes']:,} | {says} | {' | '.join(values)} |")
    out += [f"| all | | {PEERS[name].says} | not to be had: {why} | | | | | | |" for name, why in peers.items()]
    return "\n".join(out)


def slopes(rows):
    """KiB of each further mailbox, from the second-largest number of mailboxes to the largest."""
    found = []
    for server, name in dict.fromkeys((row["server"], row["program"]) for row in rows):
        of = [r for r in rows if (r["server"], r["program"]) == (server, name) and "memory_kib" in r]
        of = sorted(of, key=lambda row: row["mailboxes"])[-2:]
        if len(of) == 2:
            few, many = of
            more = many["mailboxes"] - few["mailboxes"]
            kib = {kind: round((many["memory_kib"][kind] - few["memory_kib"][kind]) / more, 1) for kind in ("rss", "pss")}
            found.append({"server": server, "program": name, "from": few["mailboxes"], "to": many["mailboxes"], **kib})
    return found


def slope_table(found):
    out = ["| server | program | mailboxes | RSS, KiB per mailbox | PSS, KiB per mailbox |", "| --- | --- | --- | ---: | ---: |"]
    for one in found:
        span = f"{one['from']:,} to {one['to']:,}"
        out.append(f"| {one['server']} | {PEERS[one['program']].says} | {span} | {one['rss']} | {one['pss']} |")
    return "\n".join(out)


def machine():
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return f"{os.cpu_count()} cores ({model[0] if model else platform.machine()}), {memory} GiB, {system}"


def raise_descriptors():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def memory_disk():
    """Where the servers keep mail, so that what the disk has else to do is not measured with them; None: where all is."""
    found = pathlib.Path("/dev/shm")
    return found if found.is_dir() and shutil.disk_usage(found).free > 2**30 else None


def main():
    options = arguments()
    raise_descriptors()
    began = time.monotonic()
    # the servers run as another user, who must be able to come here
    home, mail = (pathlib.Path(tempfile.mkdtemp(prefix="mailbell-peers-", dir=dir)) for dir in (None, memory_disk()))
    home.chmod(0o755)
    mail.chmod(0o755)
    report = {
        "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": machine(),
        "note": options.note,
        "command": shlex.join(["benches/peers/run", *sys.argv[1:]]),
        "versions": {},
        "not_to_be_had": {},
        "broken_off": [],
        "rows": [],
    }
    try:
        measure(options, home, mail, report)
    except KeyboardInterrupt:
        report["note"] = f"{report['note']}; interrupted".lstrip("; ")
    finally:
        for directory in (home, mail):
            shutil.rmtree(directory, ignore_errors=True)
    report["slopes"] = slopes(report["rows"])
    report["seconds"] = round(time.monotonic() - began)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    show(report)


def measure(options, home, mail, report):
    programs = pathlib.Path(options.programs).resolve() if options.programs else home / "programs"
    programs.mkdir(exist_ok=True)
    peers = []
    for name in options.peers:
        say(f"installs {name}")
        try:
            peers.append(PEERS[name](programs / name, options))
            report["versions"][name] = peers[-1].version
        except NotToBeHad as error:
            say(f"  not to be had: {error}")
            report["not_to_be_had"][name] = str(error)
    wecom = WeCom()
    for name in options.servers:
        for count in options.mailboxes:
            together = count <= SERVERS[name].most_together and not options.in_turn
            groups = [peers] if together else [[peer] for peer in peers]
            users = [user for peer in peers for user in peer.users(count)]
            say(f"{name} for {count:,} mailboxes")
            try:
                server = SERVERS[name](mail / f"{name}-{count}", home, users, count * len(groups[0]))
            except NotToBeHad as error:
                say(f"  not to be had: {error}")
                report["not_to_be_had"][name] = str(error)
                break
            report["versions"][name] = server.version
            try:
                for group in groups:
                    report["rows"] += Step(group, server, wecom, count, options, home).run()
            except OSError as error:
                say(f"  broken off: {error}")
                report["broken_off"].append(f"{name}, {count} mailboxes: {error}")
            finally:
                often, example = server.complaints()
                if often:
                    say(f"  {name} complained {often} times, such as: {example[:300]}")
                server.stop()
    wecom.shutdown()


def show(report):
    print(f"{report['date']}; {report['machine']}{'; ' + report['note'] if report['note'] else ''}; {report['seconds']} s")
    print(f"`{report['command']}`")
    print("; ".join(f"{name}: {version}" for name, version in report["versions"].items()))
    for what in report["broken_off"]:
        print(f"broken off: {what}")
    print()
    print(table(report["rows"], {n: why for n, why in report["not_to_be_had"].items() if n in PEERS}))
    print()
    print(slope_table(report["slopes"]))


main()
