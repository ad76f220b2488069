"""Puts the core's own paths together: which module serves below which prefix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from strongroom.core.governance.admission import AdmissionRoutes
from strongroom.core.governance.break_glass import BreakGlassRoutes
from strongroom.core.governance.break_glass_rules import BreakGlassRuleRoutes
from strongroom.core.governance.change_rules import ChangeRuleRoutes
from strongroom.core.governance.changes import ChangeRoutes
from strongroom.core.governance.control_groups import ControlGroupRoutes
from strongroom.core.governance.documents import DocumentRoutes
from strongroom.core.governance.exceptions import ExceptionRoutes
from strongroom.core.governance.granting import GrantRoutes
from strongroom.core.governance.inbox import InboxRoutes
from strongroom.core.governance.notifiers import NotifierRoutes
from strongroom.core.governance.requests import RequestRoutes
from strongroom.core.governance.review_schedules import ReviewScheduleRoutes
from strongroom.core.governance.reviewing import ReviewRoutes
from strongroom.core.governance.rules import ApprovalRuleRoutes
from strongroom.core.governance.training import TrainingRoutes
from strongroom.core.governance.vendors import VendorRoutes
from strongroom.core.records import Mount
from strongroom.core.router import Routes
from strongroom.core.server import Server
from strongroom.core.system.about import AboutRoutes
from strongroom.core.system.access import AccessRoutes
from strongroom.core.system.alerts import AlertRoutes
from strongroom.core.system.bootstrap import BootstrapRoutes
from strongroom.core.system.capabilities import CapabilityRoutes
from strongroom.core.system.clock import ClockRoutes
from strongroom.core.system.devices import DeviceRoutes
from strongroom.core.system.environments import EnvironmentRoutes
from strongroom.core.system.factor_rules import FactorRuleRoutes
from strongroom.core.system.factors import FactorRoutes
from strongroom.core.system.generate_root import GenerateRootRoutes
from strongroom.core.system.identity import IdentityRoutes
from strongroom.core.system.identity_settings import IdentitySettingRoutes
from strongroom.core.system.interface import InterfaceRoutes
from strongroom.core.system.knowledge import KnowledgeRoutes
from strongroom.core.system.leases import LeaseRoutes
from strongroom.core.system.leaving import LeavingRoutes
from strongroom.core.system.lockouts import LockoutRoutes
from strongroom.core.system.log import LogRoutes
from strongroom.core.system.mfa import MfaRoutes
from strongroom.core.system.mfa_validation import MfaValidation
from strongroom.core.system.mounts import MountRoutes
from strongroom.core.system.password_policies import PasswordPolicyRoutes
from strongroom.core.system.people import PeopleRoutes
from strongroom.core.system.people_factors import PeopleFactorRoutes
from strongroom.core.system.plugins import PluginRoutes
from strongroom.core.system.policies import PolicyRoutes
from strongroom.core.system.registrations import RegistrationRoutes
from strongroom.core.system.rekey import RekeyRoutes
from strongroom.core.system.rotation import RotationRoutes
from strongroom.core.system.scim import ScimRoutes
from strongroom.core.system.seal import SealRoutes
from strongroom.core.system.sign_ins import SignInRoutes
from strongroom.core.system.step_up import StepUpRoutes
from strongroom.core.system.token import TokenRoutes
from strongroom.core.system.tools import ToolRoutes
from strongroom.core.system.workloads import WorkloadRoutes
from strongroom.core.system.wrapping import WrappingRoutes
from strongroom.core.views import Live, mounted_of
from strongroom.sdk.engine import Route

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def system_mounts(server: Server) -> dict[str, Live]:
    """Return the mounts that every server has and that cannot be moved or disabled."""
    return {
        "strongroom/": live(
            server,
            "strongroom/",
            "strongroom",
            (
                *ClockRoutes(server).routes(),
                *LogRoutes(server).routes(),
                *EnvironmentRoutes().routes(),
                *AccessRoutes(server).routes(),
                *IdentitySettingRoutes().routes(),
                *BootstrapRoutes(server).routes(),
                *AlertRoutes().routes(),
                *PeopleRoutes().routes(),
                *WorkloadRoutes().routes(),
                *LeavingRoutes(server).routes(),
                *KnowledgeRoutes(server).routes(),
                *ScimRoutes(server).routes(),
                *RegistrationRoutes(server).routes(),
                *VendorRoutes(server).routes(),
                *TrainingRoutes().routes(),
                *DocumentRoutes(server).routes(),
                *ExceptionRoutes(server).routes(),
                *AdmissionRoutes().routes(),
                *ApprovalRuleRoutes().routes(),
                *RequestRoutes(server).routes(),
                *GrantRoutes().routes(),
                *BreakGlassRuleRoutes().routes(),
                *BreakGlassRoutes(server).routes(),
                *InboxRoutes().routes(),
                *ReviewRoutes(server).routes(),
                *ReviewScheduleRoutes().routes(),
                *NotifierRoutes().routes(),
                *ChangeRuleRoutes().routes(),
                *ChangeRoutes(server).routes(),
                *FactorRoutes(server).routes(),
                *SignInRoutes(server).routes(),
                *StepUpRoutes(server).routes(),
                *FactorRuleRoutes().routes(),
                *PeopleFactorRoutes().routes(),
            ),
        ),
        "identity/": live(
            server,
            "identity/",
            "identity",
            (*IdentityRoutes(server).routes(), *MfaRoutes(server).routes()),
        ),
        "auth/token/": live(
            server, "auth/token/", "token", TokenRoutes(server, "token_core").routes()
        ),
        "sys/": live(
            server,
            "sys/",
            "system",
            sys_routes(server),
        ),
    }


def sys_routes(server: Server) -> tuple[Route, ...]:
    """Return everything below `sys/`."""
    return (
        *SealRoutes(server).routes(),
        *MountRoutes(server).routes(),
        *PolicyRoutes().routes(),
        *PasswordPolicyRoutes().routes(),
        *CapabilityRoutes(server).routes(),
        *WrappingRoutes(server).routes(),
        *ControlGroupRoutes(server).routes(),
        *LeaseRoutes(server).routes(),
        *InterfaceRoutes(server).routes(),
        *ToolRoutes().routes(),
        *DeviceRoutes(server).routes(),
        *LockoutRoutes().routes(),
        *MfaValidation(server).routes(),
        *AboutRoutes(server).routes(),
        *PluginRoutes(server).routes(),
        *RotationRoutes(server).routes(),
        *RekeyRoutes(server, "rekey", bare=True).routes(),
        *RekeyRoutes(server, "rotate/root", bare=False).routes(),
        *GenerateRootRoutes(server, "generate-root", bare=True).routes(),
        *GenerateRootRoutes(server, "generate-root-token", bare=False).routes(),
    )


def live(server: Server, path: str, kind: str, routes: Sequence[Route]) -> Live:
    """Return a mount of the core's own."""
    row = Mount(
        path=path,
        uuid=f"core/{path}",
        accessor=f"{kind}_core",
        kind=kind,
        description="",
        options={},
        config={},
        default_ttl=timedelta(0),
        max_ttl=timedelta(0),
        created_at=ALWAYS,
    )
    mounted = mounted_of(row, server.settings.default_ttl, server.settings.max_ttl)
    return Live(row, Routes(routes, kind), None, mounted, system=True)
