"""`strongroom`: the command line.

Order  Commands are imported when they are run, so that each starts with what it needs alone.
       Whatever goes wrong ends as one line on the standard error and a status; see
       `strongroom.cli.errors`. There is no traceback, since one may hold a secret.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from strongroom.base.errors import StrongroomError
from strongroom.cli.arguments import with_double_dashes
from strongroom.cli.commands import Entry, Group, shared_options
from strongroom.cli.errors import INTERRUPTED, OK, UNUSABLE, CommandError, usage_problem

_HERE = "strongroom.cli"
_DAILY = "Every day"
_ACCESS = "Who may do what"
_RUNNING = "Running a server"
_PROOF = "Proof"
_MORE = "And"


def _entry(place: str, summary: str, section: str, *, shown: bool = True) -> Entry:
    return Entry(place=f"{_HERE}.{place}", summary=summary, section=section, shown=shown)


ENTRIES = {
    "status": _entry("status:status", "Whether the server is open, and what it is.", _DAILY),
    "login": _entry("login:login", "Get a token and keep it.", _DAILY),
    "logout": _entry("login:logout", "Forget the token.", _DAILY),
    "session": _entry("sessions:session_group", "Where you are signed in.", _DAILY),
    "step-up": _entry("factor:step_up", "Show a factor again.", _DAILY),
    "factor": _entry("factor:factor", "Second factors of your own.", _DAILY),
    "kv": _entry("kv:kv", "Secrets and their versions.", _DAILY),
    "run": _entry("run:run", "Run a program with secrets in its environment.", _DAILY),
    "read": _entry("generic:read", "Read any path.", _DAILY),
    "write": _entry("generic:write", "Write to any path.", _DAILY),
    "list": _entry("generic:list_names", "List the names below any path.", _DAILY),
    "delete": _entry("generic:delete", "Delete any path.", _DAILY),
    "unwrap": _entry("generic:unwrap", "Open a wrapped answer, once.", _DAILY),
    "path-help": _entry("generic:path_help", "What a path takes.", _DAILY),
    "access": _entry("access:access", "Who may, what may, may this one?", _ACCESS),
    "policy": _entry("policy:policy", "Policies: what they say, and whether they can.", _ACCESS),
    "token": _entry("token:token", "Tokens: make, look up, renew, revoke.", _ACCESS),
    "lease": _entry("lease:lease", "Leases: look up, renew, revoke.", _ACCESS),
    "environment": _entry("environment:environment", "Boundaries that no policy lifts.", _ACCESS),
    "person": _entry("person:person", "People: who they are, and until when.", _ACCESS),
    "workload": _entry("workload:workload", "Workloads: whose they are, what for.", _ACCESS),
    "group": _entry("identity_group:group", "Groups: who is in them, what they give.", _ACCESS),
    "registration": _entry(
        "registration:registration", "Ask for an identity; decide on one.", _ACCESS
    ),
    "request": _entry("governance:request", "Ask for access, for a while.", _ACCESS),
    "requests": _entry("governance:requests", "What was asked for, and its approvals.", _ACCESS),
    "approve": _entry("governance:approve", "Approve a request.", _ACCESS),
    "deny": _entry("governance:deny", "Deny a request.", _ACCESS),
    "grants": _entry("governance:grants", "What was granted, and what is left.", _ACCESS),
    "inbox": _entry("notifier:inbox", "What you were told.", _DAILY),
    "notifier": _entry("notifier:notifier", "What sends notices out.", _RUNNING),
    "break-glass": _entry(
        "break_glass:break_glass", "Help yourself in an emergency; answer for it.", _ACCESS
    ),
    "approval-rule": _entry(
        "approval_rule:approval_rule", "Who must approve what is asked for.", _ACCESS
    ),
    "change": _entry("change:change", "Changes of the setup: propose, approve.", _ACCESS),
    "change-rule": _entry("change:change_rule", "Which writes need an approved change.", _ACCESS),
    "plan": _entry("directory:plan", "What a directory of settings would change.", _ACCESS),
    "apply": _entry("directory:apply", "Set the server up as a directory says.", _ACCESS),
    "review": _entry("review:review", "Who holds what, looked at each quarter.", _ACCESS),
    "vendor": _entry("vendor:vendor", "Vendors: what they reach, until when.", _ACCESS),
    "training": _entry("training:training", "Courses, and who completed which.", _ACCESS),
    "document": _entry("document:document", "Policies and procedures, approved.", _ACCESS),
    "exception": _entry("exception:exception", "Departures from controls, with an end.", _ACCESS),
    "admission": _entry("exception:admission", "What refuses to break a control.", _ACCESS),
    "secrets": _entry("mounts:secrets", "Secrets engines and where they are mounted.", _ACCESS),
    "auth": _entry("mounts:auth", "Auth methods and where they are mounted.", _ACCESS),
    "server": _entry("server:server", "Run the server.", _RUNNING),
    "init": _entry("seal:init", "Make the keys of a new server.", _RUNNING),
    "bootstrap": _entry("bootstrap:bootstrap", "The first administrator.", _RUNNING),
    "unseal": _entry("seal:unseal", "Give one key share.", _RUNNING),
    "seal": _entry("seal:seal", "Close the server until it is unsealed.", _RUNNING),
    "operator": _entry("operator:operator", "Rotate and rekey; a new root token.", _RUNNING),
    "log": _entry("log:log", "The log: read, prove, export, verify.", _PROOF),
    "witness": _entry("witness:witness", "Watch that a log keeps its history.", _PROOF),
    "evidence": _entry("evidence:evidence", "Run controls, list runs, take packs.", _PROOF),
    "verify": _entry("verify:verify", "Verify an evidence pack, offline.", _PROOF),
    "demo": _entry("server:demo", "A company's quarter in three minutes.", _MORE),
    "completion": _entry("completion:completion", "Completion for a shell.", _MORE),
    "version": _entry("version:version", "The version.", _MORE),
}


class Root(Group):
    """All commands, and the one place where errors end."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **more: Any) -> NoReturn:
        """Run a command line and leave with its status."""
        words = with_double_dashes(sys.argv[1:] if args is None else list(args))
        words = ["version"] if words == ["--version"] else words
        more["standalone_mode"] = False
        more["prog_name"] = "strongroom"
        sys.exit(self._status(words, more))

    def _status(self, words: list[str], more: dict[str, Any]) -> int:
        try:
            code = super().main(words, **more)
            sys.stdout.flush()
        except CommandError as problem:
            return _say(problem.message, problem.code)
        except click.UsageError as problem:
            return _usage(problem)
        except click.ClickException as problem:
            return _say(problem.format_message(), UNUSABLE)
        except (click.Abort, KeyboardInterrupt, EOFError):
            return _say("interrupted", INTERRUPTED)
        except StrongroomError as problem:
            return _say(str(problem), UNUSABLE)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads on
            return OK
        except OSError as problem:
            where = f"{problem.filename}: " if problem.filename else ""
            return _say(f"{where}{problem.strerror or 'input or output failed'}", UNUSABLE)
        except Exception as defect:  # noqa: BLE001  its text may hold a secret
            return _say(_where(defect), UNUSABLE)
        return code if isinstance(code, int) else OK


def _say(text: str, code: int) -> int:
    one_line = " ".join(text.split())
    print(f"error: {one_line}".encode(errors="replace").decode(), file=sys.stderr)
    return code


def _usage(problem: click.UsageError) -> int:
    if isinstance(problem, click.exceptions.NoArgsIsHelpError):
        print(problem.format_message(), file=sys.stderr)
        return UNUSABLE
    return _say(usage_problem(problem), UNUSABLE)


def _where(defect: Exception) -> str:
    """Name a defect by its kind and place alone."""
    trace = defect.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (
        f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown"
    )
    return f"a defect in strongroom: {type(defect).__name__} at {place}; please report it"


HELP = """Secrets, and the proof of how they are kept.

Where the server is: --address, STRONGROOM_ADDR or VAULT_ADDR (https://127.0.0.1:8200). Who you
are: `strongroom login`, STRONGROOM_TOKEN or VAULT_TOKEN.
"""
EPILOG = (
    "Exit status: 0 done; 1 what was given cannot be used; 2 refused, sealed or unreachable;"
    " 3 what was examined does not hold; 130 interrupted."
)

root = Root(
    "strongroom",
    entries=ENTRIES,
    params=[*shared_options()],
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> NoReturn:
    """Run the command line of this process."""
    root.main()
