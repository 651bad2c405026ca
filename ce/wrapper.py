"""The job wrapper: what stands between the batch system and the user's program on a worker node.

One file of the standard library alone, Python 3.9 or later, copied into the directory of each job and run as
``python -I wrapper.py <control directory>`` under the job's account.  It reads ``job.json`` there (argument
vectors, never shell text), fetches the input, runs the payload, sends the output, and leaves ``status`` (one
JSON line for each step, fsynced) and ``result.json`` (complete or absent).  The texts of failures are those of
the gLite WMS job wrapper, since the users and the broker know them.

It begins when it reads ``go`` on its standard input: the computing element records the process first, so a
wrapper whose master died in between ends without having done anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # a wrapper loads what it needs: modules are a third of what a short job costs
    import http.client
    import ssl
    from collections.abc import Callable, Iterator
    from typing import IO, Any, NoReturn
    from urllib.parse import SplitResult

    Job = dict[str, Any]

MINIMUM_PYTHON = (3, 9)
RESULT_VERSION = 1
CHUNK = 1 << 18
PEEK_CHUNK = 1 << 20
PEEK_ROUND = 16 << 20  # bytes that one look sends at most
MOST_PEEKED = 100
LAST_LOOK = 30.0
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGXCPU, signal.SIGALRM)
PROXY_EXPIRED = "Job killed by the jobwrapper because of user proxy expiration"
SAFE_PATH = "/usr/local/bin:/usr/bin:/bin"


class Failure(Exception):
    """The job cannot go on.  ``verdict`` is ``abort`` (the user's matter) or ``resubmit`` (the site's)."""

    def __init__(self, reason: str, verdict: str = "resubmit") -> None:
        super().__init__(reason)
        self.reason = reason
        self.verdict = verdict


class Terminated(BaseException):
    """Something outside ended the job; ``upload`` tells whether what there is of the output is still sent."""

    def __init__(self, reason: str, verdict: str = "resubmit", upload: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.verdict = verdict
        self.upload = upload


class TransferError(Exception):
    """A file could not be moved; ``permanent`` when another try cannot help, ``status`` what the server answered."""

    def __init__(self, sentence: str, permanent: bool = False, status: int = 0) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.status = status


class Journal:
    """What the computing element learns: the status file, the result file and the doorbell."""

    def __init__(self, control: str, job: Job) -> None:
        self._control = control
        self._doorbell: str = job.get("doorbell") or ""
        self.code: str = job.get("sequence_code") or ""
        self.node = socket.gethostname()
        self.events: list[Job] = []
        self.notes: list[str] = []
        self._bump()  # taking over a job increments the own counter once (L&B)

    def _bump(self) -> None:
        self.code = re.sub(r"LRMS=(\d{6})", lambda m: f"LRMS={min(999999, int(m[1]) + 1):06d}", self.code)

    def event(self, name: str, **fields: Any) -> Job:
        """Note an L&B event with the current sequence code, then advance the code."""
        record: Job = {"event": name, "time": time.time(), "sequence_code": self.code}
        record.update(fields)
        self.events.append(record)
        self._bump()
        return record

    def status(self, name: str, record: Job) -> None:
        """Append a state change durably and ring."""
        line = json.dumps({"status": name, "time": record["time"], "node": self.node}) + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(os.path.join(self._control, "status"), flags, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.ring()

    def result(self, result: Job) -> None:
        """Write the result: complete and on disk, or not there at all."""
        temporary = os.path.join(self._control, f".result.{os.getpid()}")
        with open(temporary, "wb") as file:
            file.write(json.dumps(result).encode())
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, os.path.join(self._control, "result.json"))
        descriptor = os.open(self._control, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.ring()

    def ring(self) -> None:
        """Say *look again*; a lost ring costs time only, since the element also looks by its timer."""
        if not self._doorbell:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            parent = os.open(os.path.dirname(self._doorbell), os.O_PATH | os.O_DIRECTORY)
            try:  # by descriptor: a socket address holds only 108 bytes
                sock.sendto(b"!", f"/proc/self/fd/{parent}/{os.path.basename(self._doorbell)}")
            except OSError as error:
                log(f"nobody hears the doorbell: {error}")
            finally:
                os.close(parent)


def sha1_context(usual: ssl.SSLContext, trusting: Callable[[ssl.SSLContext], ssl.SSLContext]) -> ssl.SSLContext:
    """A context for a proxy with a SHA-1 signature in its chain (GridSite), which OpenSSL sends at level 0 only.

    At that level it would also believe a server whose certificate is signed with SHA-1, so ``usual`` looks at the
    server first, and the connection with the proxy must show the same certificate.  TLS 1.3 is strong at any level.
    """
    import ssl

    class Sha1Context(ssl.SSLContext):
        def wrap_socket(self, sock: socket.socket, *args: Any, **keywords: Any) -> ssl.SSLSocket:
            name = keywords.get("server_hostname")
            with socket.create_connection(sock.getpeername()[:2], timeout=sock.gettimeout()) as plain:
                with usual.wrap_socket(plain, server_hostname=name) as look:
                    known = look.getpeercert(binary_form=True)
            wrapped = super().wrap_socket(sock, *args, **keywords)
            if not known or wrapped.getpeercert(binary_form=True) != known:
                wrapped.close()
                raise OSError("the server showed two different certificates within a moment")
            return wrapped

    context = trusting(Sha1Context(ssl.PROTOCOL_TLS_CLIENT))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


class Transfers:
    """HTTPS with the job's limited proxy, bounded tries with a doubling wait, one connection kept per server."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._context: ssl.SSLContext | None = None
        self._connections: dict[tuple[str, int], http.client.HTTPSConnection] = {}
        self._tags: dict[str, str] = {}

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            import ssl  # late: a job without files saves a third of the start-up time

            context = self._trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
            try:
                context.load_cert_chain(self._job["proxy"])
            except ssl.SSLError as error:
                if error.reason != "CA_MD_TOO_WEAK":
                    raise
                context = sha1_context(context, self._trusting)
                context.load_cert_chain(self._job["proxy"])
            self._context = context
        return self._context

    def _trusting(self, context: ssl.SSLContext) -> ssl.SSLContext:
        import ssl

        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(capath=self._job["certificates"])
        if self._job.get("crl_check", True):
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        return context

    def _connection(self, parts: SplitResult) -> http.client.HTTPSConnection:
        import http.client

        key = (parts.hostname or "", parts.port or 443)
        if key not in self._connections:
            timeout = float(self._job.get("transfer_timeout", 300.0))
            self._connections[key] = http.client.HTTPSConnection(key[0], key[1], timeout=timeout, context=self._tls())
        return self._connections[key]

    def forget(self, parts: SplitResult) -> None:
        """Close the connection to a server; the next request makes a new one."""
        connection = self._connections.pop((parts.hostname or "", parts.port or 443), None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close every kept connection."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def repeated(self, action: Callable[[SplitResult, str], None], uri: str, path: str) -> None:
        """Do ``action(parts, path)``, again after a doubling wait while that may help.

        :raises TransferError: the last one.
        """
        import http.client
        from urllib.parse import urlsplit

        parts = urlsplit(uri)
        if parts.scheme != "https" or not parts.hostname:
            raise TransferError("only https URIs are served", permanent=True)
        wait = float(self._job.get("transfer_first_wait", 1.0))
        left = int(self._job.get("transfer_tries", 6))
        while True:
            try:
                return action(parts, path)
            except TransferError as error:
                failure = error
            except (OSError, http.client.HTTPException) as error:
                refused = type(error).__name__ in ("SSLCertVerificationError", "CertificateError")
                failure = TransferError(f"{parts.netloc}: {error}", permanent=refused)
            self.forget(parts)
            left -= 1
            log(f"{uri}: {failure} ({0 if failure.permanent else left} tries left)")
            if failure.permanent or left <= 0:
                raise failure
            time.sleep(wait)
            wait = min(2 * wait, 300.0)

    def get(self, parts: SplitResult, path: str) -> None:
        """Fetch to ``path``; what an earlier try left in ``<path>.part`` is continued."""
        partial = path + ".part"
        have = os.path.getsize(partial) if os.path.exists(partial) else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self._tags.get(path):
            headers["If-Range"] = self._tags[path]
        connection = self._connection(parts)
        connection.request("GET", target(parts), headers=headers)
        answer = connection.getresponse()
        if answer.status == 416 and have:
            os.unlink(partial)
            raise TransferError("the file became shorter meanwhile")
        if answer.status not in (200, 206):
            raise refusal(answer)
        expected = answer.getheader("Content-Length")
        self._tags[path] = answer.getheader("ETag") or ""
        begins = re.match(r"bytes (\d+)-", answer.getheader("Content-Range") or "")
        if answer.status == 206 and (begins is None or int(begins[1]) != have):
            raise TransferError("the server continued at another place")
        with open(partial, "ab" if answer.status == 206 else "wb") as file:
            while block := answer.read(CHUNK):
                file.write(block)
            size = file.tell() - (have if answer.status == 206 else 0)
        if expected is not None and size != int(expected):
            raise TransferError(f"{size} of {expected} bytes arrived")
        os.rename(partial, path)

    def put(self, parts: SplitResult, path: str) -> None:
        """Send the regular file ``path``."""
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TransferError("not a regular file", permanent=True)
            self.send(parts, Exactly(file, status.st_size), status.st_size)

    def send(self, parts: SplitResult, body: Exactly | bytes, size: int) -> None:
        """PUT ``size`` bytes."""
        connection = self._connection(parts)
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        try:
            connection.request("PUT", target(parts), body=body, headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            log("the server ended the upload early; reading its answer")
        answer = connection.getresponse()
        if answer.status not in (200, 201, 204):
            raise refusal(answer)
        answer.read()

    def read(self, parts: SplitResult, most: int) -> bytes:
        """The first ``most`` bytes of a small file."""
        connection = self._connection(parts)
        connection.request("GET", target(parts))
        answer = connection.getresponse()
        if answer.status != 200:
            raise refusal(answer)
        data = answer.read(most)
        if not answer.isclosed():
            self.forget(parts)
        return data


class Exactly:
    """A file of which only the first ``size`` bytes are read, since a running process may still write it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, count: int = -1) -> bytes:
        """Read as files do; nothing after the announced size."""
        block = self._file.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(block)
        return block


def target(parts: SplitResult) -> str:
    """What stands in the request line."""
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")


def refusal(answer: http.client.HTTPResponse) -> TransferError:
    """The server's own sentence, bounded; whether to try again is decided by the status."""
    sentence = answer.read(2048).decode("utf-8", "replace").strip()
    again = answer.status in (408, 425, 429) or answer.status >= 500
    return TransferError(f"{answer.status} {answer.reason}: {sentence}", permanent=not again, status=answer.status)


class Peeked:
    """One file that is looked at: how far it was sent, and the chunk that is on its way.

    ``pending`` keeps its name and its bytes until the server is known to have it: sent again under the same name it
    replaces itself, so nothing arrives twice.  ``uncertain``: a try had no clear answer.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.file: tuple[int, int] | None = None
        self.offset = 0
        self.pending: tuple[str, bytes] | None = None
        self.uncertain = False
        self.refused = False
        self.pause = 0
        self.patience = 1

    def delivered(self) -> None:
        """The server has the pending chunk."""
        if self.pending is not None:
            self.offset += len(self.pending[1])
        self.pending, self.uncertain, self.patience = None, False, 1


class Perusal:
    """Sends the new bytes of the files that the user wants to see while the payload runs.

    It looks at once and then by the interval; the list may change at any time.  A list that cannot be fetched or a
    chunk that cannot be sent waits for the next look.  Nothing that happens here reaches the job.
    """

    def __init__(self, job: Job) -> None:
        import threading

        order = job["perusal"]
        self._list: str = order["list"]
        self._to: str = order["to"].rstrip("/")
        self._seconds = float(order["seconds"])
        self._transfers = Transfers({**job, "transfer_timeout": min(20.0, float(job.get("transfer_timeout", 20.0)))})
        self._work = os.open(job["work"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._place = os.readlink(f"/proc/self/fd/{self._work}").rstrip("/") + "/"
        self._files: dict[str, Peeked] = {}
        self._moment = ""
        self._count = 0
        self._end = threading.Event()
        self._last_look = True
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="perusal", daemon=True)

    def start(self) -> None:
        """Begin; the thread takes no signals, they are for the one that waits for the payload."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def finish(self, *, last_look: bool) -> None:
        """End, after a last look if there is to be one; it has LAST_LOOK seconds."""
        self._last_look = last_look
        self._end.set()
        self._thread.join(LAST_LOOK if last_look else 0.0)

    def _run(self) -> None:
        while True:
            self._look(PEEK_ROUND, None)
            if self._end.wait(self._seconds):
                break
        if self._last_look:
            for file in self._files.values():
                file.pause = 0
            self._look(None, time.monotonic() + LAST_LOOK)
        self._transfers.close()

    def _look(self, budget: int | None, deadline: float | None) -> None:
        """One look: chunk by chunk of one file after the other, until nothing is new or the bounds are met."""
        try:
            waiting = self._due(self._names())
            while waiting and (budget is None or budget > 0) and (deadline is None or time.monotonic() < deadline):
                file = waiting.pop(0)
                sent = self._send_next(file)
                if sent:
                    waiting.append(file)
                    budget = None if budget is None else budget - sent
        except (ValueError, TransferError) as error:
            self._say(str(error))

    def _say(self, sentence: str) -> None:
        """Log what goes wrong, and not at every look again."""
        if sentence != self._said:
            log(f"perusal: {sentence}")
            self._said = sentence

    def _due(self, names: list[str]) -> list[Peeked]:
        files = []
        for name in names:
            if name not in self._files and len(self._files) >= 10 * MOST_PEEKED:
                self._say(f"{name}: too many different files were looked at")
                continue
            file = self._files.setdefault(name, Peeked(name))
            file.pause -= file.pause > 0
            if not file.pause:
                files.append(file)
        return files

    def _names(self) -> list[str]:
        try:
            text = self._twice(self._list, lambda parts: self._transfers.read(parts, 1 << 16)).decode("utf-8")
        except TransferError as error:
            if error.status == 404:
                return []
            raise
        names = [line for line in text.split("\n") if line and ".." not in line.split("/") and line[0] != "/"]
        return names[:MOST_PEEKED]

    def _send_next(self, file: Peeked) -> int:
        """Send the next chunk of a file; returns its size, 0 when there is none or it could not be sent."""
        try:
            chunk = file.pending = file.pending or self._next(file)
        except (OSError, ValueError) as error:
            self._say(f"{file.name} cannot be read: {error}")
            return 0
        if chunk is None:
            return 0
        name, data = chunk
        try:
            self._twice(f"{self._to}/{name}", lambda parts: self._transfers.send(parts, data, len(data)), file)
        except TransferError as error:
            if error.status == 409 and file.uncertain:
                file.delivered()  # an earlier try did arrive
                return len(data)
            if not error.status:
                raise  # the server cannot be reached: the others need not try
            self._not_sent(file, error)
            return 0
        file.delivered()
        return len(data)

    def _not_sent(self, file: Peeked, error: TransferError) -> None:
        self._say(f"{file.name}: {error}")
        if error.status in (408, 413, 425, 429, 507) or error.status >= 500:
            file.uncertain = file.uncertain or error.status not in (413, 507)
            file.pause, file.patience = file.patience + 1, min(64, 2 * file.patience)
            return
        file.pending, file.uncertain = None, False
        file.refused = error.status not in (404, 409)

    def _next(self, file: Peeked) -> tuple[str, bytes] | None:
        """The name and the bytes of what is new in a file; a truncated or replaced one begins anew."""
        descriptor = None if file.refused else self._open(file.name)
        if descriptor is None:
            return None
        try:
            status = os.fstat(descriptor)
            if file.file != (status.st_dev, status.st_ino) or status.st_size < file.offset:
                file.file, file.offset = (status.st_dev, status.st_ino), 0
            data = os.pread(descriptor, PEEK_CHUNK, file.offset)
        finally:
            os.close(descriptor)
        if not data:
            return None
        from urllib.parse import quote

        self._moment = max(self._moment, time.strftime("%Y%m%d%H%M%S", time.gmtime()))
        self._count += 1
        return quote(f"{file.name.rpartition('/')[2]}.{self._moment}_{self._count:06d}"), data

    def _open(self, name: str) -> int | None:
        """Open a regular file of the working directory; None when there is none.

        Links are followed as far as they stay inside.  What it is is found out without opening it: a device or a
        FIFO might not like that.
        """
        try:
            place = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=self._work)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            path = f"/proc/self/fd/{place}"
            inside = os.readlink(path).startswith(self._place)
            if not inside or not stat.S_ISREG(os.fstat(place).st_mode):
                return None
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        finally:
            os.close(place)

    def _twice(self, uri: str, action: Callable[[SplitResult], Any], file: Peeked | None = None) -> Any:
        """Do ``action``, once more when the kept connection was not alive any more."""
        import http.client
        from urllib.parse import urlsplit

        parts = urlsplit(uri)
        for last in (False, True):
            try:
                return action(parts)
            except (OSError, http.client.HTTPException) as error:
                self._transfers.forget(parts)
                if file is not None:
                    file.uncertain = True
                if last:
                    raise TransferError(f"{parts.netloc}: {error}") from error
            except TransferError:
                self._transfers.forget(parts)  # part of the answer may be unread
                raise


@contextlib.contextmanager
def looked_at(job: Job) -> Iterator[None]:
    """Let the user see the job's files while it runs, when the description allows it."""
    perusal = None
    if job.get("perusal"):
        try:
            perusal = Perusal(job)
            perusal.start()
        except (OSError, RuntimeError, ValueError) as error:
            log(f"perusal: it cannot begin: {error}")
            perusal = None
    last_look = False
    try:
        yield
        last_look = True
    except Terminated as end:
        last_look = end.upload
        raise
    finally:
        if perusal is not None:
            perusal.finish(last_look=last_look)


def log(sentence: str) -> None:
    """Write to wrapper.log."""
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), sentence, flush=True)


def fetch_input(job: Job, transfers: Transfers) -> None:
    """Download each item of the input sandbox to its leaf name in the working directory."""
    for item in job["input"]:
        try:
            transfers.repeated(transfers.get, item["uri"], item["name"])
        except TransferError as error:
            raise Failure(f"Cannot download {item['name']} from {item['uri']} ({error})") from error


def prepare_executable(path: str) -> None:
    """Make the executable runnable as far as the job's account can.

    :raises Failure: with the verdict ``abort`` when it is not there or cannot be read.
    """
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise Failure(f"{path} not found or unreadable", "abort")
    if not os.access(path, os.X_OK):
        with contextlib.suppress(PermissionError):  # then the system's refusal becomes exit code 126
            os.chmod(path, os.stat(path).st_mode | 0o100)


def payload_environment(job: Job, journal: Journal) -> dict[str, str]:
    """A clean environment, then the user's variables, then what the user may not change."""
    work = os.getcwd()
    environment = {"PATH": SAFE_PATH, "HOME": work, "PWD": work, "LANG": "C.UTF-8", "TMPDIR": job["tmp"]}
    environment.update(dict(job["environment"]))
    environment.update(job["internals"])
    if job.get("tools"):
        environment["PATH"] += f":{job['tools']}"
    environment["GLITE_WMS_SEQUENCE_CODE"] = journal.code
    for prefix in ("GLITE_WMS", "EDG_WL"):
        environment[f"{prefix}_RB_BROKERINFO"] = os.path.join(work, ".BrokerInfo")
    environment["X509_USER_PROXY"] = job["proxy"]
    environment["X509_CERT_DIR"] = job["certificates"]
    if int(job.get("slots") or 1) > 1:
        environment.update(node_file(job, journal))
    return environment


def node_file(job: Job, journal: Journal) -> dict[str, str]:
    """Name the processors that the job has, one line for each, as PBS does; an MPI program's launcher reads it."""
    slots = int(job["slots"])
    path = os.path.join(os.path.dirname(job["proxy"]), "nodes")
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{journal.node}\n" * slots)
    except OSError as error:
        raise Failure(f"Cannot create the list of nodes: {error.strerror}") from error
    return {"PBS_NODEFILE": path, "PBS_NP": str(slots)}


def open_streams(job: Job) -> list[int]:
    """Open stdin, stdout, stderr of the payload; absent ones are /dev/null; one name is one open file."""
    try:
        streams = [os.open(job.get("stdin") or os.devnull, os.O_RDONLY | os.O_CLOEXEC)]
    except OSError as error:
        raise Failure(f"{job['stdin']} not found or unreadable", "abort") from error
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
    try:
        streams.append(os.open(job.get("stdout") or os.devnull, flags, 0o600))
        same = job.get("stderr") and job.get("stderr") == job.get("stdout")
        streams.append(os.dup(streams[1]) if same else os.open(job.get("stderr") or os.devnull, flags, 0o600))
    except OSError as error:
        raise Failure(f"Cannot create the output file {error.filename}: {error.strerror}", "abort") from error
    return streams


def spawn(job: Job, journal: Journal) -> int | None:
    """Start the payload in its own process group and return its process id."""
    executable = job["executable"]
    environment = payload_environment(job, journal)
    streams = open_streams(job)
    try:
        return begin([executable, *job["arguments"]], environment, streams)
    except OSError as error:
        os.write(streams[2], f"cannot execute {executable}: {error.strerror}\n".encode())
        journal.notes.append(f"cannot execute {executable}: {error.strerror}")
        return None
    finally:
        for descriptor in streams:
            os.close(descriptor)


def begin(command: list[str], environment: dict[str, str], streams: list[int]) -> int:
    """Start a program in its own process group.

    :raises OSError: it cannot be executed.
    """
    actions = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(streams)]
    options: dict[str, Any] = {"file_actions": actions, "setpgroup": 0, "setsigmask": (), "setsigdef": HANDLED}
    try:
        return os.posix_spawn(command[0], command, environment, **options)
    except OSError as error:
        if error.errno != 8:  # ENOEXEC: a script without #! runs under the shell, as it would from one
            raise
        return os.posix_spawn("/bin/sh", ["/bin/sh", *command], environment, **options)


def watch(job: Job, began: float) -> None:
    """Set the one timer for whichever comes first: the end of the proxy or of the wall clock limit."""
    ends = []
    if job.get("proxy_not_after"):
        ends.append((float(job["proxy_not_after"]) - time.time(), Terminated(PROXY_EXPIRED, "abort", True)))
    if job.get("wall_seconds"):
        limit = float(job["wall_seconds"])
        sentence = f"Job killed by the jobwrapper because of the wall clock limit of {limit:.0f} s"
        ends.append((limit - (time.monotonic() - began), Terminated(sentence, "abort", True)))
    if not ends:
        return
    left, end = min(ends, key=lambda item: item[0])

    def expire(_number: int, _frame: object) -> NoReturn:
        raise end

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))


def execute(job: Job, journal: Journal, began: float) -> tuple[int, int | None, dict[str, float]]:
    """Run the payload to its end.  Returns (exit code, signal or None, usage)."""
    prepare_executable(job["executable"])
    if job.get("cpu_seconds"):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if hard == resource.RLIM_INFINITY or hard > int(job["cpu_seconds"]):
            resource.setrlimit(resource.RLIMIT_CPU, (int(job["cpu_seconds"]), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    watch(job, began)
    assist(job, journal, "prologue")
    journal.status("REALLY-RUNNING", journal.event("ReallyRunning"))
    start = time.monotonic()
    payload = spawn(job, journal)
    if payload is None:
        return 126, None, {"real": 0.0, "user": 0.0, "sys": 0.0}
    status, used = attend(job, payload)
    usage = {"real": time.monotonic() - start, "user": used.ru_utime, "sys": used.ru_stime}
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return (os.WEXITSTATUS(status) if number is None else 128 + number), number, usage


def attend(job: Job, leader: int) -> tuple[int, resource.struct_rusage]:
    """Wait for a program that :func:`begin` started; its wait status and usage.  Signals are blocked afterwards.

    :raises Terminated: something outside ended the job; nothing of the program's group is left.
    """
    try:
        while True:  # adopted orphans are reaped on the way; the payload is left for wait4
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            if ended is None or ended.si_pid == leader:
                break
            os.waitpid(ended.si_pid, 0)
    except Terminated:
        end_group(leader, float(job.get("kill_grace", 2.0)))
        raise
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    _, status, used = os.wait4(leader, 0)
    return status, used


def assist(job: Job, journal: Journal, role: str) -> None:
    """Run the job's ``prologue`` or ``epilogue``, if it has one: its environment is the payload's, its output is lost.

    :raises Failure: it is not there or did not exit with 0 (another site may do better, as in gLite).
    """
    command = job.get(role)
    if not command:
        return
    if not os.path.isfile(command[0]) or not os.access(command[0], os.R_OK):
        raise Failure(f"{role} failed: {command[0]} not found")
    prepare_executable(command[0])
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        leader = begin(command, payload_environment(job, journal), [nothing] * 3)
    except OSError as error:
        log(f"{role}: {command[0]}: {error.strerror}")
        raise Failure(f"{role} failed with error 126") from error  # the shell's word for it
    finally:
        os.close(nothing)
    status, _ = attend(job, leader)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    if code:
        raise Failure(f"{role} failed with error {code}")


def end_group(leader: int, grace: float) -> None:
    """TERM, a grace time in which the payload may tidy up, then nothing of its group is left."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            break
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    os.waitpid(leader, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own (prctl PR_SET_CHILD_SUBREAPER, Linux)."""
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError) as error:
        log(f"daemons of the payload cannot be followed: {error}")


def end_leftovers() -> None:
    """Kill whatever descends from the payload and still lives, daemons included."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                for child in file.read().split():
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(int(child), signal.SIGKILL)
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return
        except (OSError, ValueError) as error:
            log(f"leftovers of the payload cannot be listed: {error}")
            return


def send_output(job: Job, journal: Journal, transfers: Transfers) -> None:
    """Upload the output sandbox.  A missing file is noted; a failed upload makes the job resubmittable."""
    items = [(item["name"], item["uri"]) for item in job["output"]]
    for pattern in job.get("output_patterns", ()):
        import glob
        from urllib.parse import quote

        found = sorted(glob.glob(pattern))
        if not found:
            journal.notes.append(f"Cannot read or missing file {pattern}")
        base = job["output_base"].rstrip("/")
        items.extend((name, base + "/" + quote(os.path.basename(name))) for name in found)
    for name, uri in items:
        if not os.path.isfile(name) or not os.access(name, os.R_OK):
            journal.notes.append(f"Cannot read or missing file {name}")
            continue
        try:
            transfers.repeated(transfers.put, uri, name)
        except TransferError as error:
            path = os.path.join(os.getcwd(), name)
            raise Failure(f"Cannot upload file://{path} into {uri} ({error})") from error


def terminated(number: int, _frame: object) -> NoReturn:
    """Answer a signal of the batch system."""
    name = signal.Signals(number).name
    raise Terminated(f"Job has been terminated (got {name})", "resubmit", number == signal.SIGXCPU)


def work(job: Job, journal: Journal, transfers: Transfers, outcome: Job) -> None:
    """The steps of the job; ``outcome`` is filled on the way so that nothing known is lost."""
    began = time.monotonic()
    try:
        for number in HANDLED[:-1]:
            signal.signal(number, terminated)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        journal.status("RUNNING", journal.event("Running", node=journal.node))
        try:
            os.chdir(job["work"])
        except OSError as error:
            raise Failure(f"Cannot create directory {job['work']}") from error
        if not os.access(".", os.W_OK):
            raise Failure("Working directory not writable")
        fetch_input(job, transfers)
        transfers.close()  # the server would not keep them open as long as the payload may run
        with looked_at(job):
            outcome["exit_code"], outcome["signal"], outcome["usage"] = execute(job, journal, began)
        end_leftovers()
        if job.get("epilogue"):
            watch(job, began)
            try:
                assist(job, journal, "epilogue")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            end_leftovers()
        for kind in ("real", "user", "sys"):
            journal.event("ResourceUsage", resource=kind, quantity=outcome["usage"][kind], unit="s")
        send_output(job, journal, transfers)
        outcome.update({"class": "ok", "reason": ""})
    except Failure as failure:
        outcome.update({"class": failure.verdict, "reason": failure.reason})
    except Terminated as end:
        signal.setitimer(signal.ITIMER_REAL, 0)
        outcome.update({"class": end.verdict, "reason": end.reason})
        if end.upload:
            job["transfer_tries"] = 1
            try:
                send_output(job, journal, transfers)
            except (Failure, Terminated) as second:
                journal.notes.append(second.reason)


def main(arguments: list[str]) -> int:
    """Run the job of the control directory ``arguments[0]``; the exit status is 0 when a result was written."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    if sys.version_info < MINIMUM_PYTHON or len(arguments) != 1:
        print("usage: python3 -I wrapper.py <control directory> (Python 3.9 or later)", file=sys.stderr)
        return 2
    if os.read(0, 16) != b"go\n":
        return 3  # the master died before it had recorded this process
    os.umask(0o077)
    control = os.path.abspath(arguments[0])
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    for number, descriptor in enumerate(
        (
            os.open(os.devnull, os.O_RDONLY),
            *[os.open(os.path.join(control, "wrapper.log"), flags, 0o600) for _ in range(2)],
        )
    ):
        os.dup2(descriptor, number)
        os.close(descriptor)
    with open(os.path.join(control, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    journal = Journal(control, job)
    transfers = Transfers(job)
    outcome = {
        "class": "resubmit",
        "reason": "the job wrapper failed; wrapper.log says how",
        "exit_code": None,
        "signal": None,
        "usage": None,
    }
    adopt_orphans()
    try:
        work(job, journal, transfers, outcome)
    except Terminated as end:  # a second signal while the first was being answered
        outcome.update({"class": end.verdict, "reason": end.reason})
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        end_leftovers()
        transfers.close()
        done = "OK" if outcome["class"] == "ok" else "FAILED"
        code = outcome["exit_code"] if outcome["exit_code"] is not None else 1
        journal.event("Done", status_code=done, exit_code=code, reason=outcome["reason"])
        result = {
            "version": RESULT_VERSION,
            "node": journal.node,
            "sequence_code": journal.code,
            "events": journal.events,
            "notes": journal.notes[:100],
            **outcome,
        }
        journal.result(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
