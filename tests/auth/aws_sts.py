"""AWS for tests: moto's server, which checks signatures, and requests signed with botocore."""

from __future__ import annotations

import json
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests import servers

BODY = "Action=GetCallerIdentity&Version=2011-06-15"
SERVER_ID = "X-Vault-AWS-IAM-Server-ID"
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class Amazon:
    """A running stand-in, a user of it, and one who took a role."""

    url: str
    user: Credentials
    session: Credentials


def signed(
    credentials: Credentials,
    url: str,
    *,
    server_id: str = "",
    body: str = BODY,
    region: str = REGION,
    service: str = "sts",
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the fields of a login: a request that was signed and not sent."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    if server_id:
        headers[SERVER_ID] = server_id
    request = AWSRequest(method="POST", url=url, data=body, headers={**headers, **(more or {})})
    SigV4Auth(credentials, service, region).add_auth(request)
    return fields(url, body, dict(request.headers))


def fields(url: str, body: str, headers: Mapping[str, object]) -> dict[str, Any]:
    return {
        "iam_http_request_method": "POST",
        "iam_request_url": b64encode(url.encode()).decode(),
        "iam_request_body": b64encode(body.encode()).decode(),
        "iam_request_headers": b64encode(json.dumps(headers).encode()).decode(),
    }


def now() -> float:
    """The real time, which is what botocore signs with."""
    return datetime.now(UTC).timestamp()


@contextmanager
def amazon() -> Iterator[Amazon]:
    """Start moto's server on a free port; from the first login on it checks signatures."""
    with servers.scratch("strongroom-moto-") as folder:
        port = servers.free_port()
        url = f"http://127.0.0.1:{port}"
        program = Path(sys.executable).with_name("moto_server")
        command = [str(program), "-H", "127.0.0.1", "-p", str(port)]
        alone = {"HOME": str(folder), "AWS_DEFAULT_REGION": REGION, "PYTHONWARNINGS": "ignore"}
        with servers.running(servers.as_user(None, command), folder / "log", alone) as process:
            probe = [
                sys.executable,
                "-c",
                f"import urllib.request as u; u.urlopen('{url}/moto-api/')",
            ]
            servers.await_ready(process, probe, folder / "log")
            yield _furnished(url)


def _furnished(url: str) -> Amazon:
    settings = {"endpoint_url": url, "region_name": REGION}
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    iam = boto3.client("iam", **settings, **keys)
    iam.create_user(UserName="deployer", Path="/teams/")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    role = iam.create_role(RoleName="Worker", AssumeRolePolicyDocument="{}", Path="/jobs/")
    sts = boto3.client("sts", **settings, **keys)
    taken = sts.assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="run-7")["Credentials"]
    for client in (iam, sts):
        client.close()
    asked = urllib.request.Request(
        f"{url}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
    )
    urllib.request.urlopen(asked).read()
    return Amazon(
        url=url,
        user=Credentials(key["AccessKeyId"], key["SecretAccessKey"]),
        session=Credentials(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"]),
    )
