#!/usr/bin/env python3
"""ingest_socket.py -- clients of `holter ingest STORE --listen`: many at once, rude ones, and a server that is killed.

usage: ingest_socket.py STORE WHAT        prints what holds, a line each; a breach ends it with exit code 1
"""
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

STORE = sys.argv[1]
PATH = STORE + ".sock"
PATIENCE_SECONDS = 60
servers = []


def check(fact, *what):
    if not fact:
        print("does not hold:", *what)
        sys.stdout.flush()
        for process in servers:
            process.kill()
        os._exit(1)


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen(["holter", "ingest", STORE, "--listen", PATH, *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        servers.append(self.process)
        end = time.time() + PATIENCE_SECONDS
        while time.time() < end:
            try:
                self.connect().close()
                return
            except OSError:
                check(self.process.poll() is None, "the server ended")
                time.sleep(0.01)
        check(False, "the server does not listen")

    @staticmethod
    def connect():
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(PATIENCE_SECONDS)
        client.connect(PATH)
        return client

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return out.decode(), err.decode(), self.process.returncode


def line(user, number):
    return b"mood,user=%s value=%di %d\n" % (user.encode(), number % 10 + 1, number)


def stored(user):
    done = subprocess.run(["holter", "query", STORE, "--user", user, "--metric", "mood"], capture_output=True, text=True)
    return len(done.stdout.splitlines()) - 1 if done.returncode == 0 else 0


def converse(user, count, pipelined, acknowledged):
    """Send lines, `pipelined` of them ahead of their answers; acknowledged[user] is how many were answered ok."""
    try:
        client = Server.connect()
        answers = client.makefile("rb")
        sent = 0
        for number in range(1, count + 1):
            while sent < count and sent < number + pipelined - 1:
                burst = min(pipelined, count - sent)
                client.sendall(b"".join(line(user, sent + i + 1) for i in range(burst)))
                sent += burst
            answer = answers.readline()
            if not answer.endswith(b"\n"):
                return
            check(answer == b"%d ok\n" % number, user, number, answer)
            acknowledged[user] = number
    except OSError:
        pass


def converse_all(users, count, pipelined):
    acknowledged = {}
    threads = [threading.Thread(target=converse, args=(user, count, pipelined, acknowledged)) for user in users]
    for thread in threads:
        thread.start()
    return threads, acknowledged


def many():
    server = Server()
    check(stat.S_IMODE(os.stat(PATH).st_mode) == 0o600, "mode", oct(os.stat(PATH).st_mode))
    users = ["many%d" % i for i in range(8)]
    threads, acknowledged = converse_all(users, 200, 40)
    for thread in threads:
        thread.join()
    check(all(acknowledged.get(user) == 200 for user in users), acknowledged)
    second = subprocess.run(["holter", "ingest", STORE, "--listen", PATH], capture_output=True, text=True)
    check(second.returncode == 5 and "another process listens there" in second.stderr, second)
    out, err, code = server.end()
    check(out == "end: 1600 lines: 1600 ok\n" and err == "" and code == 0, out, err, code)
    check(not os.path.exists(PATH), "the socket's file is still there")
    check(all(stored(user) == 200 for user in users), "not all are stored")
    print("8 clients at once are answered in order; a second server is refused")


def rude():
    server = Server("--group")
    check(stat.S_IMODE(os.stat(PATH).st_mode) == 0o660, "mode", oct(os.stat(PATH).st_mode))
    deaf = Server.connect()  # sends and never reads, until its own socket takes no more
    deaf.settimeout(1)
    sent = 0
    try:
        while sent < 50000000:
            sent += deaf.send(b"no line of protocol\n" * 1000)
    except OSError:
        pass
    check(sent < 50000000, "a client that does not read is read without end")
    gone = Server.connect()  # vanishes within a line, with answers on their way
    gone.sendall(line("gone", 1) * 1000 + b"mood,user=gone value=")
    gone.close()
    polite = Server.connect()
    polite.sendall(line("polite", 1) + b"mood,user=polite value=")
    polite.shutdown(socket.SHUT_WR)
    answers = polite.makefile("rb").read()
    check(answers == b"1 ok\n2 refused found the input's end within a line, expected the line's own\n", answers)
    out, err, code = server.end()  # with the deaf client still there
    check(code == 0 and err == "", out, err, code)
    check(stored("polite") == 1 and stored("gone") <= 1, "what is stored")
    print("a client that never reads or vanishes keeps nobody waiting")


def crowd():
    server = Server()
    clients = [Server.connect() for _ in range(70)]  # six more than are served at once
    for number, client in enumerate(clients):
        client.sendall(line("crowd", number))
    for client in clients[:64]:
        check(client.recv(100) == b"1 ok\n", "no answer")
    for client in clients[:6]:
        client.close()
    for client in clients[64:]:
        check(client.recv(100) == b"1 ok\n", "no answer")
    server.end()
    check(stored("crowd") == 70, "what is stored")
    print("who comes when there is no place waits for one")


def killed():
    acknowledged_all = {}
    for round_number in range(4):
        server = Server()  # over the socket's file of the one that was killed before
        users = ["killed%d-%d" % (round_number, i) for i in range(3)]
        threads, acknowledged = converse_all(users, 100000, (1, 7, 100, 2000)[round_number])
        end = time.time() + PATIENCE_SECONDS
        while len(acknowledged) < 3 and time.time() < end:
            time.sleep(0.01)
        time.sleep(0.05 * round_number)
        server.end(signal.SIGKILL)
        for thread in threads:
            thread.join()
        acknowledged_all.update(acknowledged)
    check(os.path.exists(PATH), "a killed server leaves its socket's file")
    check(len(acknowledged_all) == 12, acknowledged_all)
    for user, count in acknowledged_all.items():
        check(stored(user) >= count, user, "acknowledged", count, "stored", stored(user))
    print("every line that a killed server acknowledged is stored")


def foreign():
    if os.path.exists(PATH):
        os.unlink(PATH)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(PATH)
    listener.listen()
    server = subprocess.run(["holter", "ingest", STORE, "--listen", PATH], capture_output=True, text=True)
    check(server.returncode == 5 and os.path.exists(PATH), server)
    listener.close()
    os.unlink(PATH)
    with open(PATH, "w", encoding="utf-8"):
        pass
    server = subprocess.run(["holter", "ingest", STORE, "--listen", PATH], capture_output=True, text=True)
    check(server.returncode == 1 and os.path.exists(PATH), server)
    print(server.stderr, end="")
    os.unlink(PATH)


{"many": many, "rude": rude, "crowd": crowd, "killed": killed, "foreign": foreign}[sys.argv[2]]()
