"""Who may look at what a node keeps: owner and mode of every file and directory, after one of everything was done."""

import os
import stat

import pytest

PUBLIC = ("trust", "wms.toml", "glite_wmsui.conf", "ce/certificates")
"""What others may read: certificates, revocation lists and configuration, which hold no secret."""

FOR_PAYLOADS = {"ce": 0o711, "ce/jobs": 0o711, "ce/doorbell": 0o666}
"""What the accounts of jobs pass through to their own directories, and the bell that their wrappers ring."""


@pytest.fixture
def used(node):
    """The shared node after jobs of several kinds, an archive, an access list and proxies have passed through it."""
    script = "#!/bin/sh\necho seen; sleep 1; cat data\n"
    zipped = node.submit(
        '[ Executable = "run.sh"; StdOutput = "out"; OutputSandbox = { "out" }; InputSandbox = { "run.sh", "data" };'
        ' AllowZippedISB = true; PerusalFileEnable = true; ]',
        files={"run.sh": script, "data": "x\n"},
    )  # fmt: skip
    collection = node.submit(
        '[ Type = "collection"; Nodes = { [ Executable = "/bin/cat"; Arguments = "data"; StdOutput = "out";'
        ' InputSandbox = { "data" }; OutputSandbox = { "out" }; ] }; ]',
        files={"data": "y\n"},
    )
    for job in (zipped, collection):
        assert node.wait(job).startswith("Done"), node.logs()
    return node


def test_nothing_that_a_node_keeps_is_open_to_others(used):
    wrong = []
    for root, directories, names in os.walk(used.root):
        if os.path.relpath(root, used.root) == "ce/jobs":
            # A job that the element still keeps belongs to its account, down from a directory that is closed to others.
            wrong += [f"ce/jobs/{name} is open" for name in directories if _open(os.path.join(root, name))]
            directories.clear()
        for name in (*directories, *names):
            path = os.path.join(root, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:  # a job that has just been purged
                continue
            shown = os.path.relpath(path, used.root)
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                continue
            if FOR_PAYLOADS.get(shown) == mode:
                continue
            if status.st_uid != os.getuid():
                wrong.append(f"{shown} belongs to {status.st_uid}")
            if mode & 0o7022:
                wrong.append(f"{shown} has mode {mode:04o}: others may write, or it runs as its owner")
            private = not shown.startswith(PUBLIC)
            inside = any(
                stat.S_IMODE(os.stat(os.path.join(used.root, *shown.split("/")[:depth])).st_mode) & 0o077 == 0
                for depth in range(1, shown.count("/") + 1)
            )
            if private and mode & 0o077 and not inside:
                wrong.append(f"{shown} has mode {mode:04o}, and nothing above keeps others out")
    assert not wrong, "\n".join(wrong[:50])


def _open(directory):
    try:
        return stat.S_IMODE(os.lstat(directory).st_mode) & 0o077 != 0
    except FileNotFoundError:  # a job that has just been purged
        return False


def test_every_file_of_a_sandbox_is_its_services_alone(used):
    sandbox = used.root / "sandbox"
    seen = set()
    for path in (sandbox, *sandbox.rglob("*")):
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        assert status.st_uid == os.getuid(), path
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path} has mode {mode:04o}"
        seen.add(path.name)
    assert {".gacl", "user.proxy", ".user.proxy.bak", ".unzipok", "data", "out", ".accounts"} <= seen
