"""The operator's command ``wms``.

Exit codes: 0 success; 1 an error, told in one sentence on standard error; 2 wrong usage; 3 ``wms status`` of a
node that is down or not wholly up.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from grid.errors import GridError
from node import catalogue_command

_EPILOG = """\
a first look:
  wms demo                   a whole grid in a scratch directory, one job, nothing left
a node to keep:
  wms init ~/node --ports auto
  wms up ~/node --detach
  wms proxy ~/node
  eval "$(wms env ~/node)"
  glite-wms-job-submit -a job.jdl
  wms down ~/node
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("apscheduler", "urllib3", "zeep", "spyne", "gunicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        code = int(options.action(options))
        sys.stdout.flush()
        return code
    except GridError as error:
        print(f"wms {options.command}: {error.description}", file=sys.stderr)
        for cause in error.causes:
            print(f"    {cause}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"wms {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader has gone, as head(1) does; what is left in the buffer must not raise once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"wms {options.command}: {where}{error.strerror or error}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wms",
        description="Make and run a workload management node: WMProxy, L&B, information system, broker and CE.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--verbose", action="store_true", help="say more on standard error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(action=action)
        return sub

    _node_commands(add)
    _user_commands(add)
    return parser


def _node_commands(add: Callable[[str, object, str], argparse.ArgumentParser]) -> None:
    sub = add("init", _init, "make a node in a directory: configuration, test CA, credentials, databases")
    _directory(sub)
    sub.add_argument(
        "--ports",
        choices=("default", "auto"),
        default="default",
        help="default: the historical ports (7443, 8443, 9000, 2170 …); auto: free ones, chosen once",
    )
    sub.add_argument("--host", default="localhost", help="the name that certificates and addresses carry (localhost)")
    sub.add_argument("--bind", default="127.0.0.1", help="the address that the services listen on (127.0.0.1)")
    sub.add_argument("--vo", default="testvo", help="the test virtual organisation (testvo)")
    sub.add_argument("--user", action="append", default=[], metavar="NAME", help="a further test user (repeatable)")
    sub.add_argument(
        "--sites", type=int, default=0, metavar="N", help="publish N made-up sites of 5 computing elements too (0)"
    )

    sub = add("up", _up, "start all services of a node and keep them running")
    _directory(sub)
    sub.add_argument("--detach", action="store_true", help="come back when every service answers")
    sub.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds to wait for that (60)")

    sub = add("down", _down, "stop a node; running payloads are ended and run again after the next up")
    _directory(sub)
    sub.add_argument("--keep-jobs", action="store_true", help="leave running payloads alone; the next up adopts them")

    sub = add("status", _status, "show whether each service runs and answers")
    _directory(sub)
    sub.add_argument("--json", action="store_true", help="print one JSON object")

    sub = add("ism", _ism, "show what the information supermarket knows, from where and how old")
    _directory(sub)
    sub.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="a part of the identifier, or * ? [ ]")
    how = sub.add_mutually_exclusive_group()
    how.add_argument("--json", dest="form", action="store_const", const="json", help="print one JSON object")
    how.add_argument("--jdl", dest="form", action="store_const", const="jdl", help="print classads, as gLite's dump")

    sub = add("explain", _explain, "tell where a job stands, and why it has not matched")
    _directory(sub)
    sub.add_argument("job", metavar="JOBID", help="the job's identifier")
    sub.add_argument("--json", action="store_true", help="print one JSON object (docs/matchmaking.md)")

    sub = add("drain", _drain, "refuse new work and serve the rest, or take new work again; without on or off: tell")
    _directory(sub)
    sub.add_argument("state", nargs="?", choices=("on", "off"), metavar="on|off", help="begin or end it")
    sub.add_argument("--message", default="", metavar="TEXT", help="what callers are told, such as where else to go")


def _user_commands(add: Callable[[str, object, str], argparse.ArgumentParser]) -> None:
    sub = add("env", _env, "print shell exports for the clients: eval \"$(wms env DIR)\"")
    _directory(sub)
    sub.add_argument("--user", default="alice", metavar="NAME", help="whose proxy (alice)")

    sub = add("proxy", _proxy, "make a proxy with VOMS attributes for a test user")
    _directory(sub)
    sub.add_argument("--user", default="alice", metavar="NAME", help="the test user (alice)")
    sub.add_argument("--fqan", action="append", default=[], metavar="FQAN", help="an attribute, the first is primary")
    sub.add_argument("--hours", type=float, default=12.0, metavar="N", help="life time (12)")
    sub.add_argument("--no-voms", action="store_true", help="leave the attributes out")
    sub.add_argument("--limited", action="store_true", help="make a limited proxy")
    sub.add_argument("--out", type=Path, metavar="FILE", help="where to (the user's proxy.pem in the node)")
    sub.add_argument("--json", action="store_true", help="print one JSON object")

    sub = add("revoke", _revoke, "revoke a test user's certificate; a running node refuses it within a minute")
    _directory(sub)
    sub.add_argument("name", metavar="NAME", help="the test user")

    sub = add("run", _run, "run one service in the foreground (for systemd, or to spread services over machines)")
    _directory(sub)
    sub.add_argument("service", metavar="SERVICE", help="wmproxy, lb, interlogger, bdii, catalogue, broker or ce")

    sub = add("catalogue", _catalogue, "show and change the node's catalogue of files: where their replicas are")
    _directory(sub)
    catalogue_command.add_arguments(sub)

    sub = add("info", _info, "print what the node publishes as LDIF, for a BDII of another make (bdii-update)")
    _directory(sub)
    sub.add_argument(
        "kind",
        choices=("ldif", "provider", "plugin"),
        help="ldif: whole entries without live numbers, for BDII_LDIF_DIR; plugin: the live numbers, for a program in"
        " BDII_PLUGIN_DIR; provider: whole entries as they are now, for one in BDII_PROVIDER_DIR",
    )
    sub.add_argument(
        "--level",
        choices=("resource", "site", "top"),
        default="resource",
        help="whose names the entries get: the service's (resource), the site's, or the top level's",
    )
    sub.add_argument("--source", default="", metavar="URL", help="the LDAP server to ask (the node's own)")

    sub = add("record", _record, "write what is on the wire of a service into a folder, one file for each message")
    _directory(sub)
    sub.add_argument("folder", type=Path, metavar="FOLDER", help="where to; a new folder")
    sub.add_argument("--service", choices=("wmproxy", "ce", "lb"), default="wmproxy", help="whose (wmproxy)")
    sub.add_argument("--seconds", type=float, metavar="S", help="end after so many (when interrupted)")
    sub.add_argument("--exchanges", type=int, default=10_000, metavar="N", help="end after so many (10000)")
    sub.add_argument("--bytes", type=int, default=1 << 20, metavar="N", help="leave larger messages out (1048576)")
    sub.add_argument("--wsi-log", action="store_true", help="write log.xml too, for the WS-I analyzer")

    sub = add("demo", _demo, "bring up a grid, run a job on it, show its output, leave nothing running")
    sub.add_argument("directory", type=Path, nargs="?", metavar="DIR", help="where to (a scratch directory, removed)")


def _directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="the node's directory")


def _init(options: argparse.Namespace) -> int:
    from node.setup import initialise

    report = initialise(
        options.directory.absolute(),
        automatic_ports=options.ports == "auto",
        host=options.host,
        bind=options.bind,
        vo=options.vo,
        users=options.user,
        sites=options.sites,
    )
    for line in report:
        print(line)
    return 0


def _up(options: argparse.Namespace) -> int:
    from node.lifecycle import up

    return up(options.directory.absolute(), detach=options.detach, timeout=options.timeout)


def _down(options: argparse.Namespace) -> int:
    from node.lifecycle import down

    return down(options.directory.absolute(), keep_jobs=options.keep_jobs)


def _status(options: argparse.Namespace) -> int:
    from node.lifecycle import status

    report = status(options.directory.absolute())
    if options.json:
        print(json.dumps(report.as_json()))
    else:
        for line in report.lines():
            print(line)
    return 0 if report.ready else 3


def _ism(options: argparse.Namespace) -> int:
    from node.ism import printed

    for line in printed(options.directory.absolute(), options.pattern, options.form or "table"):
        print(line)
    return 0


def _explain(options: argparse.Namespace) -> int:
    from node.explain import explained

    for line in explained(options.directory.absolute(), options.job, as_document=options.json):
        print(line)
    return 0


def _drain(options: argparse.Namespace) -> int:
    from node.layout import Layout
    from wmproxy.drain import Drain

    layout = Layout(options.directory.absolute())
    layout.check()
    drain = Drain(layout.sandbox)
    if options.state == "on":
        drain.begin(options.message)
    elif options.state == "off":
        drain.end()
    print(f"{layout.root} {'is drained: it refuses new work' if drain.on else 'takes new work'}")
    if drain.message:
        print(f"  callers are told: {drain.message}")
    return 0


def _env(options: argparse.Namespace) -> int:
    from node.environment import exports

    for line in exports(options.directory.absolute(), options.user):
        print(line)
    return 0


def _proxy(options: argparse.Namespace) -> int:
    from gsi.credential import Credential
    from node.configuration import Configuration
    from node.credentials import Credentials
    from node.layout import Layout

    layout = Layout(options.directory.absolute())
    layout.check()
    configuration = Configuration.read(layout.configuration)
    path = Credentials(layout).make_proxy(
        options.user,
        configuration.node.vo,
        fqans=options.fqan,
        hours=options.hours,
        attributes=not options.no_voms,
        limited=options.limited,
        out=options.out,
        uri=f"{configuration.node.host}:15000",
    )
    credential = Credential.load(path)
    ends = credential.not_after.strftime("%Y-%m-%d %H:%M:%S UTC")
    if options.json:
        print(json.dumps({"path": str(path), "subject": credential.subject, "ends": ends}))
    else:
        print(f"{path}\n  subject  {credential.subject}\n  until    {ends}")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    from node.credentials import Credentials
    from node.layout import Layout

    layout = Layout(options.directory.absolute())
    layout.check()
    print(f"revoked {Credentials(layout).revoke(options.name)}")
    return 0


def _run(options: argparse.Namespace) -> int:
    from node.services import run

    return run(options.directory.absolute(), options.service)


def _catalogue(options: argparse.Namespace) -> int:
    return catalogue_command.run(options)


def _info(options: argparse.Namespace) -> int:
    from infosys.levels import Level
    from node.info import information

    sys.stdout.write(information(options.directory.absolute(), options.kind, Level(options.level), options.source))
    return 0


def _record(options: argparse.Namespace) -> int:
    from node.recorder import record, write_wsi_log

    for number in (signal.SIGTERM, signal.SIGHUP):  # whatever ends it, the service must stop writing
        signal.signal(number, signal.default_int_handler)
    folder = options.folder.absolute()
    count = record(
        options.directory.absolute(),
        folder,
        service=options.service,
        seconds=options.seconds,
        exchanges=options.exchanges,
        message_bytes=options.bytes,
        say=lambda line: print(line, flush=True),
    )
    print(f"{count} exchanges in {folder}")
    if options.wsi_log:
        print(write_wsi_log(folder))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from node.demo import demonstrate

    return demonstrate(options.directory)
