#!/usr/bin/env python3
"""Kills a real aggd under load, again and again, and damages its store in every way we know: nothing that was
acknowledged may be lost, doubled or torn, and no start may be refused.

    scripts/crash.py --aggd target/release/aggd [--kills 200] [--retention-kills 40] [--pages 60] [--seed 1] [--dir DIR]
        [--store DIR]

A loopback origin serves feeds that grow. An article counts as acknowledged when the daemon asks again with the ETag of
a document that listed it, since validators and articles are one commit. After each kill the daemon starts again and is
asked for every sighting that it holds. Needs Python 3 and nothing else; the case of a full disk needs to be root (it
mounts a tmpfs) and is left out otherwise, which is said. With `--store` the disk is filled above a copy of that store,
which must fit into memory. Ends with 1 if anything was lost.
"""

import argparse
import http.server
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

WINDOW = 60  # entries that a document lists
UNSEEN = 5  # versions that may wait for their acknowledgement


class Feed:
    """One growing feed, and what the daemon has acknowledged of it."""

    def __init__(self, name, rng, size):
        self.name, self.rng, self.size = name, rng, size
        self.lock = threading.Lock()
        self.entries = []  # (guid, text)
        self.batches = []  # guids that came with each version
        self.lists = {}  # guids by ETag
        self.acknowledged = set()
        self.seen_version = 0
        self.grow()

    def grow(self):
        new = []
        for _ in range(self.rng.randint(1, 6)):
            guid = f"{self.name}-{len(self.entries)}"
            # Hexadecimal digits at random: compression leaves half of them.
            text = self.rng.randbytes(self.size // 2).hex()
            self.entries.append((guid, text))
            new.append(guid)
        self.batches.append(new)
        self.lists[self.etag()] = [guid for guid, _ in self.entries[-WINDOW:]]

    def etag(self):
        return f'"{self.name}-v{len(self.batches)}"'

    def answer(self, condition, growing):
        """Status, ETag and body for a request."""
        with self.lock:
            if condition in self.lists:
                self.acknowledged.update(self.lists[condition])
                self.seen_version = int(condition.rsplit("v", 1)[1].strip('"'))
            if growing and len(self.batches) - self.seen_version < UNSEEN and self.rng.random() < 0.7:
                self.grow()
            if condition == self.etag():
                return 304, self.etag(), b""
            return 200, self.etag(), self.document()

    def document(self):
        items = "".join(
            f"<item><guid isPermaLink='false'>{guid}</guid><title>{guid}</title>"
            f"<link>http://example.org/{guid}</link><description>{text}</description></item>"
            for guid, text in reversed(self.entries[-WINDOW:])
        )
        return f"<rss version='2.0'><channel><title>{self.name}</title>{items}</channel></rss>".encode()


class Origin:
    def __init__(self, count, rng, size):
        self.feeds = {f"f{n}": Feed(f"f{n}", random.Random(rng.random()), size) for n in range(count)}
        self.growing = True
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                feed = origin.feeds.get(self.path.strip("/"))
                if feed is None:
                    status, etag, body = 404, '""', b""
                else:
                    condition = self.headers.get("If-None-Match")
                    status, etag, body = feed.answer(condition, origin.growing)
                try:
                    self.send_response(status)
                    self.send_header("ETag", etag)
                    self.send_header("Content-Type", "application/rss+xml")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # it was killed while it listened

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # connections break off when the daemon is killed

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def acknowledged(self):
        everything = set()
        for feed in self.feeds.values():
            with feed.lock:
                everything |= feed.acknowledged
        return everything

    def listed(self):
        """What is acknowledged and stands in the document of now: retention may not touch it."""
        everything = set()
        for feed in self.feeds.values():
            with feed.lock:
                everything |= feed.acknowledged & {guid for guid, _ in feed.entries[-WINDOW:]}
        return everything


class Daemon:
    def __init__(self, args, home, origin, store="store", keep=""):
        self.args, self.home = args, home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = home / "feeds.toml"
        feeds = "".join(
            f'[[feed]]\nid = "{name}"\nurl = "http://127.0.0.1:{origin.server.server_port}/{name}"\n'
            for name in origin.feeds
        )
        self.config.write_text(
            f'[server]\nlisten = "127.0.0.1:{self.port}"\n[store]\npath = "{store}"\n{keep}\n'
            '[control]\nsocket = "control.sock"\n[log]\nformat = "text"\n'
            '[fetch]\nallow_private = ["127.0.0.0/8"]\nper_host = { at_once = 16, spacing = "0s" }\n' + feeds
        )
        self.process = None
        self.busy = threading.Event()
        self.pressers = []

    def run(self, *words, **more):
        command = [self.args.aggd, "--config", str(self.config), *words]
        return subprocess.run(command, cwd=self.home, capture_output=True, text=True, **more)

    def start(self, patience=300):
        """True if it serves. A busy machine may take its time; a start that is refused ends at once."""
        log = open(self.home / "aggd.log", "ab")
        self.process = subprocess.Popen(
            [self.args.aggd, "--config", str(self.config), "run"], cwd=self.home, stdout=log, stderr=log
        )
        begin = time.monotonic()
        while time.monotonic() - begin < patience:
            if self.process.poll() is not None:
                return False
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5).read()
                return True
            except OSError:
                time.sleep(0.02)
        return False

    def ask(self, request, body):
        """One request on the control socket; the answer is not of interest."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(10)
            stream.connect(str(self.home / "control.sock"))
            text = json.dumps(body)
            head = f"POST /v1/{request} HTTP/1.1\r\nHost: aggd\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
            stream.sendall((head + text).encode())
            while stream.recv(65536):
                pass

    def press(self, sweeping=False):
        """Visits without a pause, from two threads, until told to stop; now and then a backup, or a clearing."""
        self.busy.set()

        def work(which):
            turn = 0
            while self.busy.is_set():
                turn += 1
                try:
                    self.ask("fetch", {"ids": [], "wait": True})
                    if which == 0 and turn % 5 == 0:
                        self.ask("backup", {})
                    if which == 1 and sweeping:
                        self.ask("gc", {})
                except OSError:
                    time.sleep(0.01)

        self.pressers = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(2)]
        for presser in self.pressers:
            presser.start()

    def rest(self):
        self.busy.clear()
        for presser in self.pressers:
            presser.join()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def sightings(self):
        """Every guid with the number of times it is there; None if the store does not open."""
        answer = self.run("articles", "--sightings", "--jsonl")
        if answer.returncode not in (0, 3):
            print("   ", answer.stderr.strip()[-400:])
            return None
        counts = {}
        for line in answer.stdout.splitlines():
            guid = json.loads(line)["guid"]
            counts[guid] = counts.get(guid, 0) + 1
        return counts


def judge(origin, counts, wanted):
    """Lost, doubled, and documents of which only a part is there."""
    lost = [guid for guid in wanted if guid not in counts]
    doubled = [guid for guid, count in counts.items() if count > 1]
    torn = 0
    for feed in origin.feeds.values():
        with feed.lock:
            for batch in feed.batches:
                there = sum(guid in counts for guid in batch)
                torn += there not in (0, len(batch))
    return lost, doubled, torn


def kills(args, rng, home, count, retention):
    origin = Origin(args.feeds, rng, 6000 if retention else 1200)
    keep = "keep = { age = '1d', min_per_feed = 20, max_per_feed = 40 }" if retention else ""
    daemon = Daemon(args, home, origin, keep=keep)
    refused = torn_commits = 0
    lost_all, doubled_all = set(), set()
    for number in range(count):
        if not daemon.start():
            refused += 1
            ended = daemon.process.poll() is not None
            print(f"  start {number} {'was refused' if ended else 'takes too long'}; see {home / 'aggd.log'}")
            if daemon.process.poll() is None:
                daemon.kill()
            continue
        if number:
            counts = daemon.sightings()
            if counts is None:
                refused += 1
            else:
                wanted = origin.listed() if retention else origin.acknowledged()
                lost, doubled, torn = judge(origin, counts, wanted)
                lost_all.update(lost)
                doubled_all.update(doubled)
                torn_commits += 0 if retention else torn
        daemon.press(sweeping=retention)
        time.sleep(rng.uniform(0.02, 1.2) ** 2)
        daemon.kill()
        daemon.rest()
    origin.growing = False
    assert daemon.start(), "the last start was refused"
    daemon.ask("fetch", {"ids": [], "wait": True})
    daemon.ask("fetch", {"ids": [], "wait": True})
    counts = daemon.sightings() or {}
    lost, doubled, _ = judge(origin, counts, origin.listed() if retention else origin.acknowledged())
    lost_all.update(lost)
    doubled_all.update(doubled)
    checked = daemon.run("verify", "--json")
    daemon.stop()
    sound = checked.returncode == 0
    name = "kills under retention" if retention else "kills"
    print(
        f"{name}: {count}; articles {len(counts)}, acknowledged {len(origin.acknowledged())}; lost {len(lost_all)}, "
        f"doubled {len(doubled_all)}, torn commits {torn_commits}, refused starts {refused}, "
        f"verify {'sound' if sound else checked.stdout + checked.stderr}"
    )
    good = not (lost_all or doubled_all or torn_commits or refused) and sound
    return good, daemon, counts, origin


def zero(path, at, length):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes(min(length, path.stat().st_size - at)))


def cut(path, to):
    with open(path, "r+b") as file:
        file.truncate(to)


def largest(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def damage(args, rng, daemon, counts):
    """Each case on a copy of the store; the daemon is down."""
    store = daemon.home / "store"
    whole = daemon.home / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    shutil.move(store, whole)
    results = {}

    def case(name, harm, may_lose=0):
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(whole, store)
        harm()
        found = daemon.sightings()
        missing = -1 if found is None else sum(guid not in found for guid in counts)
        extra = 0 if found is None else sum(n > 1 for n in found.values())
        good = 0 <= missing <= may_lose and not extra
        tried, failed, most = results.get(name, (0, 0, 0))
        results[name] = (tried + 1, failed + (not good), max(most, missing))
        if not good:
            print(f"  {name}: {missing} missing, {extra} doubled")

    index = lambda: largest(store / "index")
    logs = lambda: sorted((store / "log").glob("*.alog"))
    size = largest(whole / "index").stat().st_size
    case("index deleted", lambda: shutil.rmtree(store / "index"))
    for share in (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        case("index cut", lambda: cut(index(), int(size * share)))
    for n in range(args.pages):
        at = int(size * n / args.pages) // 4096 * 4096
        case("index page zeroed", lambda: zero(index(), at, 4096))

    def junk():
        folder = index().parent
        (folder / "snap.0000000000ABCDEF.generating").write_bytes(b"half a snapshot")
        (folder / "snap.FFFFFFFFFFFFFFFF").write_bytes(rng.randbytes(300))
        (store / "log" / "notes.txt").write_text("not ours")
        (store / "index" / "README").write_text("not ours")
        (store / "index" / "99999999").mkdir()

    def stale():
        folder = index().parent
        for snap in folder.glob("snap.*"):
            shutil.copy(snap, folder / "snap.0000000000000001")
        (folder / "snap.0000000000000002.generating").write_bytes(b"")

    case("junk files beside", junk)
    case("stale snapshots", stale)
    # What the log loses is lost, but no more than the commits that were hit.
    commit = 6 * args.feeds
    for _ in range(10):
        back = rng.randint(1, 3000)
        case("log cut", lambda: cut(logs()[-1], logs()[-1].stat().st_size - back), commit)
    for _ in range(20):
        at = rng.randrange(0, logs()[0].stat().st_size)
        case("log page zeroed, index deleted", lambda: (zero(logs()[0], at, 4096), shutil.rmtree(store / "index")), commit)
    for _ in range(20):
        def flip():
            path = rng.choice([index(), logs()[0]])
            with open(path, "r+b") as file:
                file.seek(rng.randrange(path.stat().st_size))
                byte = file.read(1)
                file.seek(-1, 1)
                file.write(bytes([byte[0] ^ (1 << rng.randrange(8))]))
        case("bit flipped", flip, commit)
    for name, (tried, failed, most) in results.items():
        print(f"{name}: {tried} times, failed {failed}, most articles missing {most}")
    shutil.rmtree(store, ignore_errors=True)
    shutil.move(whole, store)
    return all(failed == 0 for _, failed, _ in results.values())


def read_only(args, daemon):
    """A store that may not be written is an error in words, not a crash."""
    if os.geteuid() == 0:
        # Root may write anywhere; a directory that is a mount of its own may be read-only for root too.
        target = str(daemon.home / "store")
        if subprocess.run(["mount", "--bind", target, target], capture_output=True).returncode:
            print("read-only directory: left out, it needs mounts")
            return True
        subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)
        undo = lambda: subprocess.run(["umount", target], check=True)
    else:
        (daemon.home / "store").chmod(0o500)
        undo = lambda: (daemon.home / "store").chmod(0o700)
    try:
        answer = daemon.run("articles", "--sightings", "--jsonl")
        began = daemon.start(patience=10)
        if began:
            daemon.stop()
    finally:
        undo()
    words = answer.stderr.strip()
    good = answer.returncode not in (0, 101) and "panick" not in words and not began and bool(words)
    print(f"read-only directory: exit {answer.returncode}, `{words[:160]}`; {'good' if good else 'BAD'}")
    return good


def full_disk(args, rng, home):
    """Fills a small disk under load: writing stops in words, reading goes on, space brings writing back."""
    disk = home / "small"
    disk.mkdir()
    # What a flush writes grows with the store, and so does the space that the daemon leaves for it.
    size, free = 72 << 20, 52 << 20
    if args.store:
        size, free = 400 << 20, 136 << 20
        size += sum(file.stat().st_size for file in args.store.rglob("*") if file.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        print("full disk: left out, it needs to be root")
        return True
    try:
        origin = Origin(args.feeds, rng, 12000)
        daemon = Daemon(args, home, origin, store="small/store")
        ballast = disk / "ballast"
        if args.store:
            shutil.copytree(args.store, disk / "store")
        ballast.write_bytes(bytes(shutil.disk_usage(disk).free - free))
        assert daemon.start()
        daemon.press()

        def status():
            return json.loads(daemon.run("status", "--json").stdout or "{}")

        begin = time.monotonic()
        while not status().get("disk_full") and time.monotonic() - begin < 180:
            time.sleep(0.2)
        was_full = status().get("disk_full")
        served = urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/all.rss", timeout=10).status
        acknowledged = origin.acknowledged()
        there = daemon.sightings() or {}
        lost = sum(guid not in there for guid in acknowledged)
        # Killed while it is full, and begun again while it still is.
        daemon.kill()
        daemon.rest()
        restarted = daemon.start()
        there = daemon.sightings() or {} if restarted else {}
        lost += sum(guid not in there for guid in acknowledged)
        daemon.press()
        before = len(acknowledged)
        ballast.unlink()
        begin = time.monotonic()
        while len(origin.acknowledged()) < before + 20 and time.monotonic() - begin < 60:
            time.sleep(0.2)
        recovered = len(origin.acknowledged()) >= before + 20
        daemon.rest()
        there = daemon.sightings() or {}
        wanted = origin.acknowledged()
        lost += sum(guid not in there for guid in wanted)
        # What was there before may have been seen anywhere, under any guid.
        doubled = sum(count > 1 for guid, count in there.items() if guid.split("-")[0] in origin.feeds)
        daemon.stop()
        good = was_full and served == 200 and restarted and recovered and not lost and not doubled
        print(
            f"full disk: said {bool(was_full)}, served meanwhile {served == 200}, started while full {restarted}, "
            f"recovered {recovered}, lost {lost}, doubled {doubled}"
        )
        return good
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.kill()
        subprocess.run(["umount", disk], check=True)


def clock(args, daemon, origin, counts):
    """The clock is set back by a month between two runs."""
    faketime = shutil.which("faketime")
    if faketime is None:
        print("clock set back: left out, it needs faketime (tests/it has the case with a clock of its own)")
        return True
    origin.growing = True
    own = daemon.args.aggd
    wrapper = daemon.home / "earlier"
    wrapper.write_text(f'#!/bin/sh\nexec {faketime} -f -30d {own} "$@"\n')
    wrapper.chmod(0o755)
    daemon.args = argparse.Namespace(**{**vars(args), "aggd": str(wrapper)})
    began = daemon.start()
    if began:
        daemon.press()
        time.sleep(3)
        daemon.rest()
    found = daemon.sightings() or {}
    daemon.stop()
    daemon.args = args
    missing = sum(guid not in found for guid in counts)
    grown = len(found) - len(counts)
    good = began and missing == 0 and grown > 0 and all(n == 1 for n in found.values())
    print(f"clock set back: started {began}, missing {missing}, new meanwhile {grown}; {'good' if good else 'BAD'}")
    return good


def main():
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser()
    parser.add_argument("--aggd", required=True, type=os.path.abspath)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--retention-kills", type=int, default=40)
    parser.add_argument("--feeds", type=int, default=16)
    parser.add_argument("--pages", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--store", type=Path)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    root = Path(tempfile.mkdtemp(prefix="aggd-crash-", dir=args.dir))
    homes = [root / name for name in ("kills", "retention", "full")]
    for home in homes:
        home.mkdir()
    good = []
    fine, daemon, counts, origin = kills(args, rng, homes[0], args.kills, False)
    good.append(fine)
    if args.retention_kills:
        good.append(kills(args, rng, homes[1], args.retention_kills, True)[0])
    good.append(damage(args, rng, daemon, counts))
    good.append(read_only(args, daemon))
    good.append(clock(args, daemon, origin, counts))
    good.append(full_disk(args, rng, homes[2]))
    if all(good):
        shutil.rmtree(root)
        print("nothing was lost")
        return 0
    print(f"NOT GOOD; everything is left in {root}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
