"""Tidewater Books, a small company that sells books on the web: who works there, and what with.

Each environment is a mount of its own, and so is each way in: whoever logs in by a mount that
is bound to an environment is bound to it too. People of operations are bound to none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

NAME: Final = "Tidewater Books"
EVE: Final = datetime(2025, 12, 31, 9, 0, tzinfo=UTC)  # when the server is set up
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
END: Final = datetime(2026, 4, 1, tzinfo=UTC)
ENVIRONMENTS: Final = ("development", "staging", "production")
WAREHOUSE: Final = "warehouse"  # what last year's stocktaking took
OPERATIONS: Final = "operations"  # where what runs the place belongs


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a user name, a password, a security key and a phone."""

    name: str
    work: str
    mount: str
    policies: tuple[str, ...]
    held: tuple[str, ...] = ()  # what their registration gave them beside what a login does
    until: str = ""  # of a contractor: the end of the contract


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A program that logs in by itself."""

    name: str
    environment: str
    policies: tuple[str, ...]
    reads: tuple[str, ...] = ()
    weekends: bool = True
    ttl: str = "12h"

    @property
    def mount(self) -> str:
        """The auth mount that it logs in by."""
        return f"approle-{self.environment}"


INES: Final = Person(
    name="ines",
    work="platform engineer",
    mount="userpass",
    policies=("platform", "on-call", "staff"),
)
SOFIA: Final = Person(
    name="sofia",
    work="security lead",
    mount="userpass",
    policies=("security", "directory", "staff"),
)
RUTH: Final = Person(name="ruth", work="auditor", mount="userpass", policies=("auditor", "staff"))
TOMAS: Final = Person(
    name="tomas",
    work="developer",
    mount="developers",
    policies=("developer", "hotfix", "staff"),
    held=(WAREHOUSE,),
)
MEI: Final = Person(
    name="mei",
    work="contractor",
    mount="developers",
    policies=("developer", "staff"),
    until="2026-06-30T00:00:00Z",
)
INES_TOO: Final = replace(INES, name="ines-too", mount="developers", policies=("on-call",))
LENA: Final = Person(
    name="lena",
    work="developer on call",
    mount="userpass",
    policies=("on-call", "staff"),
    held=(WAREHOUSE,),
)
PEOPLE: Final = (INES, SOFIA, RUTH, TOMAS, MEI, LENA)
FOUNDERS: Final = (INES, SOFIA)  # registered by the root token; they register all others


def _app(name: str, environment: str, *, weekends: bool = True, also: str = "") -> Workload:
    paths = (f"{name}/database", *((f"{name}/{also}",) if also else ()))
    return Workload(
        name=f"{name}-{environment}",
        environment=environment,
        policies=(f"{name}-{environment}",),
        reads=paths,
        weekends=weekends,
    )


SHOP_IN_DEVELOPMENT: Final = _app("shop", "development", weekends=False, also="search")
SHOP_IN_STAGING: Final = _app("shop", "staging", weekends=False, also="search")
SHOP: Final = _app("shop", "production", also="search")
PAYMENTS: Final = _app("payments", "production", also="processor")
MAILER: Final = _app("mailer", "production")
APPS: Final = (SHOP_IN_DEVELOPMENT, SHOP_IN_STAGING, SHOP, PAYMENTS, MAILER)
TIMEKEEPER: Final = Workload(
    name="timekeeper", environment=OPERATIONS, policies=("timekeeper",), ttl="24h"
)
CONTROL_RUNNER: Final = Workload(
    name="control-runner", environment=OPERATIONS, policies=("control-runner",), ttl="1h"
)
WORKLOADS: Final = (*APPS, TIMEKEEPER, CONTROL_RUNNER)
RELEASES, REPORTS = "releases", "reports"  # a CI job, and a service with a TLS certificate
PROJECTS: Final = ("shop", "payments", "mailer")


def rule(path: str, *capabilities: str) -> str:
    """Return a rule in Vault's policy language."""
    listed = ", ".join(f'"{each}"' for each in capabilities)
    return f'path "{path}" {{ capabilities = [{listed}] }}\n'


def policies() -> dict[str, str]:
    """Return the text of each policy: nobody can do more than the work takes."""
    keep = "".join(
        rule(f"{environment}/data/{project}/*", "create", "update", "patch")
        + rule(f"{environment}/metadata/{project}/*", "read", "list", "create", "update")
        for environment in ENVIRONMENTS
        for project in PROJECTS
    )
    apps = {
        app.policies[0]: "".join(
            rule(f"{app.environment}/data/{path}", "read") for path in app.reads
        )
        for app in APPS
    }
    return {
        **apps,
        "platform": keep
        + "".join(
            rule(f"auth/{one.mount}/role/{one.name}/secret-id", "update") for one in WORKLOADS
        )
        + rule("strongroom/registrations", "create", "update", "list")
        + rule("strongroom/changes", "create", "update")
        + rule("strongroom/changes/emergency", "update")
        + rule("strongroom/changes/+/apply", "update")
        + rule("strongroom/changes/+/approve", "update")
        + rule("sys/policies/acl/developer", "read", "create", "update")
        + rule("strongroom/reviews/+/lines/", "list")
        + rule("strongroom/reviews/+/lines/+/decide", "update")
        + rule("strongroom/documents/+/propose", "update")
        + rule("strongroom/training/completions", "update"),
        "staff": rule("strongroom/documents/+", "read")
        + rule("strongroom/documents/+/acknowledge", "update"),
        WAREHOUSE: rule("staging/data/shop/*", "read"),
        RELEASES: rule("staging/data/shop/database", "read"),
        REPORTS: rule("production/data/payments/database", "read"),
        "developer": "".join(
            rule(f"development/data/{project}/*", "create", "read", "update", "patch")
            + rule(f"development/metadata/{project}/*", "read", "list")
            for project in PROJECTS
        ),
        "on-call": "# Nothing of production: what is needed there is asked for.\n"
        + rule("strongroom/requests", "create", "update")
        + rule("strongroom/requests/self", "list")
        + rule("strongroom/requests/+", "read", "delete")
        + rule("strongroom/requests/+/approve", "update")
        + rule("strongroom/grants/self", "list")
        + rule("strongroom/grants/self/*", "update")
        + rule("strongroom/break-glass", "create", "update")
        + rule("strongroom/break-glass/+", "read")
        + rule("strongroom/break-glass/+/close", "create", "update"),
        "hotfix": "# Written in a hurry. What it grants, the guardrail of production refuses.\n"
        + rule("production/data/shop/database", "read"),
        "security": rule("auth/token/revoke-accessor", "update")
        + rule("auth/token/lookup-accessor", "update")
        + rule("strongroom/leavers", "list")
        + rule("strongroom/people/+/knowledge", "read")
        + rule("strongroom/workloads/+/decommission", "create", "update")
        + rule("sys/policies/acl/*", "read", "list")
        + "".join(
            rule(f"sys/policies/acl/{app.policies[0]}", "read", "create", "update") for app in APPS
        )
        + rule("strongroom/registrations/+", "read")
        + rule("strongroom/registrations/+/approve", "create", "update")
        + rule("strongroom/requests/+", "read")
        + rule("strongroom/requests/+/approve", "update")
        + rule("strongroom/requests/+/deny", "update")
        + rule("strongroom/break-glass-rules/on-call", "create", "update", "sudo")
        + rule("strongroom/break-glass/+", "read")
        + rule("strongroom/break-glass/+/extend", "create", "update")
        + rule("strongroom/break-glass/+/review", "create", "update")
        + rule("strongroom/change-rules/developers", "create", "update")
        + rule("strongroom/changes/+", "read")
        + rule("strongroom/changes/+/approve", "update")
        + rule("strongroom/reviews", "create", "update")
        + rule("strongroom/reviews/+", "read")
        + rule("strongroom/reviews/+/lines/", "list")
        + rule("strongroom/reviews/+/lines/+", "read")
        + rule("strongroom/reviews/+/lines/+/decide", "update")
        + rule("strongroom/reviews/+/sign-off", "update")
        + rule("strongroom/documents/+", "create", "update")
        + rule("strongroom/documents/proposals/+/approve", "update")
        + rule("strongroom/training/courses/+", "create", "update")
        + rule("strongroom/training/completions", "update")
        + rule("strongroom/vendors/+", "create", "read", "update")
        + rule("strongroom/vendors/+/knowledge", "read")
        + rule("strongroom/vendors/+/leave", "update")
        + rule("strongroom/access/*", "read", "update")
        + rule("strongroom/policies/*", "read", "create", "update")
        + rule("strongroom/log/*", "read"),
        "directory": rule("strongroom/scim/v2/Users/+", "read", "patch"),
        "auditor": rule("strongroom/log/*", "read")
        + rule("strongroom/evidence/*", "create", "read", "update", "list"),
        "timekeeper": rule("strongroom/clock", "read", "update", "sudo"),
        "control-runner": rule("strongroom/evidence/*", "create", "read", "update", "list"),
    }


def secrets_of(environment: str, password: str) -> dict[str, dict[str, str]]:
    """Return what is stored in an environment; `password` is random, and made anew each time."""
    host = f"db.{environment}.tidewater.example"
    found = {
        f"{project}/database": {"host": host, "username": project, "password": password}
        for project in PROJECTS
    }
    return {
        **found,
        "shop/search": {"url": f"https://search.{environment}.tidewater.example", "key": password},
        "payments/processor": {"account": "tidewater", "key": password},
    }
