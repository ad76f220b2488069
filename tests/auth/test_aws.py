"""The AWS method: requests that botocore signs, checked here and judged by moto's STS."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import hvac
import pytest
from botocore.credentials import Credentials
from hvac import aws_utils
from hvac.exceptions import InvalidRequest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.auth.aws import Aws
from strongroom.auth.aws.principals import PrincipalError, admitted, bound, principal_of
from strongroom.auth.aws.records import Bound, Client
from strongroom.auth.aws.signed import Rules, Sent, UnsignedError, checked
from strongroom.auth.aws.sts import principal_in
from strongroom.base.errors import DeniedError, InputError, NotFoundError, UpstreamError
from strongroom.core.web import HttpWeb
from strongroom.sdk.web import Question, Response
from strongroom.sdk.workloads import LONGEST, SHORT
from strongroom.testing.mount import Mount
from tests import servers
from tests.auth.aws_sts import BODY, SERVER_ID, Amazon, amazon, fields, now, signed

ID = "vault.example"
ROLE = "arn:aws:iam::123456789012:role/Worker"
USER = "arn:aws:iam::123456789012:user/teams/deployer"
SOMEBODY = Credentials("AKIAEXAMPLE", "secret")
STS = "https://sts.amazonaws.com/"


@pytest.fixture(scope="module")
def aws() -> Iterator[Amazon]:
    with amazon() as made:
        yield made


class Recording:
    """Stands where the network is, for questions that must not be asked."""

    def __init__(self, answer: Response | None = None) -> None:
        self.answer, self.asked = answer, list[Question]()

    async def ask(self, question: Question) -> Response:
        self.asked.append(question)
        if self.answer is None:
            raise UpstreamError("nobody is there")
        return self.answer


def said(arn: str, user_id: str = "AIDAEXAMPLE", account: str = "123456789012") -> Response:
    """What STS answers."""
    body = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>{arn}</Arn>
    <UserId>{user_id}</UserId>
    <Account>{account}</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>
"""
    return Response(status=200, headers={}, body=body.encode())


async def mounted(web: Any, *, endpoint: str = "", server_id: str = ID) -> Mount:
    mount = Mount(Aws(web), at=now())
    await mount.write("config/client", sts_endpoint=endpoint, iam_server_id_header_value=server_id)
    await mount.write("role/Worker", bound_iam_principal_arn=ROLE, policies="deploy")
    return mount


async def refused(mount: Mount, **login: object) -> str:
    with pytest.raises(DeniedError) as caught:
        await mount.login(**login)
    return str(caught.value)


class TestLogins:
    async def test_a_role_that_was_taken_gets_in(self, aws: Amazon) -> None:
        mount = await mounted(HttpWeb(), endpoint=aws.url)

        named = await mount.login(role="WORKER", **signed(aws.session, aws.url, server_id=ID))
        unnamed = await mount.login(**signed(aws.session, aws.url, server_id=ID))

        assert named == unnamed
        assert (named.shown_by, named.display, named.workload) == ("aws-signature", "Worker", True)
        assert named.alias.startswith("AROA")
        assert ":" not in named.alias
        assert named.metadata["canonical_arn"] == ROLE
        assert named.metadata["client_arn"].endswith(":assumed-role/Worker/run-7")
        assert named.alias_metadata == {"account_id": "123456789012", "auth_type": "iam"}
        assert (named.rules.token_ttl, named.rules.token_max_ttl) == (SHORT, LONGEST)

    async def test_aws_judges_the_signature(self, aws: Amazon) -> None:
        mount = await mounted(HttpWeb(), endpoint=aws.url)
        session = aws.session
        wrong = Credentials(session.access_key, "x" * 40, session.token)

        for credentials in (wrong, SOMEBODY):
            login = signed(credentials, aws.url, server_id=ID)
            assert "refused the request with 403" in await refused(mount, **login)

    async def test_nobody_else_gets_in(self, aws: Amazon) -> None:
        mount = await mounted(HttpWeb(), endpoint=aws.url)
        good = signed(aws.session, aws.url, server_id=ID)

        assert "no such role" in await refused(mount, role="other", **good)
        assert "no such role" in await refused(mount, role="../worker", **good)
        await mount.write("role/else", bound_iam_principal_arn=f"{ROLE}s")
        assert "not for this principal" in await refused(mount, role="else", **good)
        await mount.write("role/worker", token_bound_cidrs="10.0.0.0/8")
        assert "not from there" in await refused(mount, **good)

    async def test_a_user_is_known_with_and_without_the_path(self) -> None:
        mount = await mounted(Recording(said(USER)))
        await mount.write("role/deployer", bound_iam_principal_arn=USER)
        await mount.write("config/identity", iam_alias="canonical_arn", iam_metadata="client_arn")
        login = signed(SOMEBODY, STS, server_id=ID)

        proof = await mount.login(**login)

        assert proof.alias == "arn:aws:iam::123456789012:user/deployer"
        assert proof.alias_metadata == {"client_arn": USER}
        for pattern in ("user/deployer", "user/teams/*", "user/*"):
            await mount.write(
                "role/deployer", bound_iam_principal_arn=f"arn:aws:iam::123456789012:{pattern}"
            )
            assert await mount.login(**login)

    async def test_an_unknown_role_costs_a_question_too(self) -> None:
        web = Recording(said(USER))
        mount = await mounted(web)

        await refused(mount, role="nobody", **signed(SOMEBODY, STS, server_id=ID))
        await refused(mount, role="worker", **signed(SOMEBODY, STS, server_id=ID))

        assert [each.url for each in web.asked] == [STS, STS]

    async def test_what_is_sent_is_what_was_signed(self) -> None:
        web = Recording(said(USER))
        mount = await mounted(web)
        login = signed(SOMEBODY, STS, server_id=ID)
        await refused(mount, **login)

        [question] = web.asked
        assert (question.method, question.body) == ("POST", BODY.encode())
        assert "host" not in question.headers
        assert question.headers["x-vault-aws-iam-server-id"] == ID
        assert "secret" not in repr(question)

    async def test_sts_that_is_not_there_is_said(self) -> None:
        mount = await mounted(Recording())

        for role in ("worker", "nobody"):
            with pytest.raises(UpstreamError):
                await mount.login(role=role, **signed(SOMEBODY, STS, server_id=ID))

    async def test_what_hvac_signs_is_taken(self) -> None:
        web = Recording(said(USER))
        mount = await mounted(web)
        request = aws_utils.generate_sigv4_auth_request(header_value=ID)
        aws_utils.SigV4Auth("AKIAEXAMPLE", "secret").add_auth(request)
        prepared = fields(STS, BODY, dict(request.headers))

        await refused(mount, **prepared)

        assert len(web.asked) == 1

    async def test_what_is_missing_or_of_ec2_is_said(self) -> None:
        mount = await mounted(Recording())
        good = signed(SOMEBODY, STS, server_id=ID)

        for name in good:
            with pytest.raises(InputError, match=f"missing {name}"):
                await mount.login(**{k: v for k, v in good.items() if k != name})
        for name in ("pkcs7", "identity", "signature", "nonce"):
            with pytest.raises(InputError, match=name):
                await mount.login(**good, **{name: "x"})


def check(
    login: Mapping[str, Any], *, rules: Rules | None = None, later: timedelta = timedelta(0)
) -> str:
    """Return why a request is not sent, or nothing."""
    headers = login["iam_request_headers"]
    sent = Sent(
        method=login["iam_http_request_method"],
        url=login["iam_request_url"],
        body=login["iam_request_body"],
        headers=headers if isinstance(headers, bytes) else json.dumps(headers).encode(),
    )
    usual = Rules(hosts={"sts.amazonaws.com"}, server_id=ID)
    try:
        checked(sent, rules or usual, datetime.now(UTC) + later)
    except UnsignedError as error:
        return str(error)
    return ""


def changed(*, url: str = STS, body: str = BODY, **headers: object) -> dict[str, Any]:
    """Return a signed request in which something was changed afterwards."""
    good = signed(SOMEBODY, STS, server_id=ID)
    own = json.loads(b64decode(good["iam_request_headers"]))
    for name, value in headers.items():
        own.pop(name.replace("_", "-"), None)
        if value is not None:
            own[name.replace("_", "-")] = value
    return fields(url, body, own)


class TestRequests:
    def test_a_signed_request_may_be_sent(self) -> None:
        assert check(signed(SOMEBODY, STS, server_id=ID)) == ""
        assert check(signed(SOMEBODY, "https://sts.amazonaws.com", server_id=ID)) == ""
        assert check(signed(SOMEBODY, STS), rules=Rules(hosts={"sts.amazonaws.com"})) == ""

    def test_headers_may_come_as_an_object_of_lists(self) -> None:
        good = signed(SOMEBODY, STS, server_id=ID)
        own = json.loads(b64decode(good["iam_request_headers"]))
        lists = json.dumps({name: [value] for name, value in own.items()}).encode()

        assert check({**good, "iam_request_headers": lists}) == ""
        two = json.dumps({name: [value, value] for name, value in own.items()}).encode()
        assert check({**good, "iam_request_headers": two})

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/",
            "https://sts.amazonaws.com.evil.example/",
            "https://evil.example/sts.amazonaws.com",
            "https://sts.amazonaws.com@evil.example/",
            "https://evil.example@sts.amazonaws.com/",
            "https://sts.amazonaws.com:8443/",
            "https://sts.amazonaws.com/x",
            "https://sts.amazonaws.com/?Action=GetCallerIdentity",
            "https://sts.amazonaws.com/?",
            "https://sts.amazonaws.com/#x",
            "https://sts.amazonaws.com\\@evil.example/",
            "https://sts.amazonaws.com./",
            "https://sts.eu-west-1.amazonaws.com/",
            "https://s3.amazonaws.com/",
            "https://169.254.169.254/",
            "https://[::1]/",
            "file:///etc/passwd",
            "//sts.amazonaws.com/",
            "",
            "https://sts.amazonaws.com/\r\nx: y",
            "https://\u017fts.amazonaws.com/",
        ],
    )
    def test_it_goes_to_sts_and_nowhere_else(self, url: str) -> None:
        assert check(changed(url=url))

    @pytest.mark.parametrize(
        ("host", "fits"),
        [
            ("sts.eu-west-1.amazonaws.com", True),
            ("sts.us-gov-west-1.amazonaws.com", True),
            ("sts-fips.us-east-1.amazonaws.com", True),
            ("sts.cn-north-1.amazonaws.com.cn", True),
            ("sts.evil-1.amazonaws.com", False),
            ("sts.eu-west-1.amazonaws.com.evil.example", False),
            ("ec2.eu-west-1.amazonaws.com", False),
            ("sts.eu-west-1.example.com", False),
        ],
    )
    def test_regions_are_asked_where_the_mount_says_so(self, host: str, *, fits: bool) -> None:
        login = signed(SOMEBODY, f"https://{host}/", server_id=ID)
        rules = Rules(hosts={"sts.amazonaws.com"}, any_region=True, server_id=ID)

        assert (check(login, rules=rules) == "") is fits
        assert check(login)

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "Action=GetSessionToken&Version=2011-06-15",
            f"{BODY}&Action=AssumeRole",
            f"{BODY}&RoleArn=x",
            "Action=GetCallerIdentity",
            "Version=2011-06-15&Action=GetCallerIdentity&",
            "Action=Get%43allerIdentity&Version=2011-06-15",
            "action=GetCallerIdentity&Version=2011-06-15",
            '{"Action": "GetCallerIdentity"}',
            BODY + "\n",
            "x" * 10_000,
        ],
    )
    def test_it_asks_who_it_is_and_nothing_else(self, body: str) -> None:
        assert check(changed(body=body))

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": None},
            {"Authorization": "Bearer x"},
            {"X_Amz_Date": None},
            {"X_Amz_Date": "20260101T000000Z"},
            {"X_Amz_Date": "now"},
            {"X_Vault_AWS_IAM_Server_ID": None},
            {"X_Vault_AWS_IAM_Server_ID": "other.example"},
            {"X_Vault_AWS_IAM_Server_ID": ID.upper()},
            {"Content_Type": None},
            {"Content_Type": "application/json"},
            {"Content_Length": "5"},
            {"Host": "evil.example"},
            {"X_Amz_Target": "x"},
            {"X_Amz_Security_Token": "not signed"},
            {"X_Forwarded_For": "127.0.0.1"},
            {"Transfer_Encoding": "chunked"},
            {"Cookie": "a=b"},
            {"User_Agent": "a\r\nEvil: b"},
            {"User_Agent": "ü"},
            {"User_Agent": ""},
            {"User_Agent": "x" * 5_000},
            {"user_agent": "a", "USER_AGENT": "b"},
            {"User_Agent": 5},
            {"User_Agent": []},
            {"User_Agent": {"a": "b"}},
        ],
    )
    def test_headers_are_those_that_were_signed(self, headers: dict[str, object]) -> None:
        assert check(changed(**headers))

    def test_what_must_be_signed_is(self) -> None:
        good = changed()
        own = json.loads(b64decode(good["iam_request_headers"]))
        for name in ("host", "x-amz-date", "x-vault-aws-iam-server-id"):
            listed = own["Authorization"].replace(f";{name}", "").replace(f"{name};", "")
            assert listed != own["Authorization"]
            assert "must be signed" in check(fields(STS, BODY, {**own, "Authorization": listed}))
        for wrong in (
            own["Authorization"].replace("/sts/", "/s3/"),
            own["Authorization"].replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
            own["Authorization"].replace("SignedHeaders=", "SignedHeaders=x-amz-other;"),
            own["Authorization"] + "0",
        ):
            assert check(fields(STS, BODY, {**own, "Authorization": wrong}))

    def test_a_request_grows_old(self) -> None:
        login = signed(SOMEBODY, STS, server_id=ID)

        assert check(login, later=timedelta(minutes=14)) == ""
        assert "too long ago" in check(login, later=timedelta(minutes=16))
        assert "too long ago" in check(login, later=-timedelta(minutes=16))

    def test_a_header_that_the_mount_allows_may_come(self) -> None:
        login = signed(SOMEBODY, STS, server_id=ID, more={"X-Own": "x"})

        assert check(login)
        rules = Rules(hosts={"sts.amazonaws.com"}, server_id=ID, more_headers=("x-OWN",))
        assert check(login, rules=rules) == ""

    @given(st.binary(max_size=200) | st.text().map(lambda t: json.dumps(t).encode()))
    def test_junk_is_refused(self, junk: bytes) -> None:
        text = b64encode(junk).decode()
        good = signed(SOMEBODY, STS, server_id=ID)

        assert check({**good, "iam_request_headers": junk})
        assert check({**good, "iam_request_url": text})
        assert check({**good, "iam_request_body": text})
        assert check({**good, "iam_request_url": junk.decode("latin-1")})
        assert check({**good, "iam_http_request_method": "GET"})


class TestAnswers:
    @pytest.mark.parametrize(
        "answer",
        [
            said("arn:aws:iam::123456789012:root", "123456789012"),
            said("arn:aws:iam::999999999999:user/x"),
            said("arn:aws:sts::123456789012:assumed-role/Worker"),
            said("arn:aws:iam::123456789012:user/a b"),
            said("arn:aws:iam::123456789012:user/x", "lower"),
            said("arn:aws:iam::123456789012:user/x", ""),
            said("arn:evil:iam::123456789012:user/x"),
            said("arn:aws:iam::12345678901:user/x", account="12345678901"),
            said("arn:aws:iam::123456789012:user/x</Arn><Arn>arn:aws:iam::1:user/y"),
            said("x" * 2_000),
            Response(status=200, headers={}, body=b""),
            Response(status=200, headers={}, body=b"{}"),
            Response(status=200, headers={}, body=b"\xff"),
            Response(status=200, headers={}, body=b"<a>" * 5_000),
            Response(status=200, headers={}, body=b"<!DOCTYPE x>" + said(USER).body),
            Response(status=200, headers={}, body=said(USER).body * 2),
            Response(status=200, headers={}, body=said(USER).body[:-20]),
            Response(status=403, headers={}, body=said(USER).body),
            Response(status=302, headers={"location": "https://evil.example"}, body=b""),
        ],
        ids=range(19),
    )
    def test_an_answer_that_names_nobody_lets_nobody_in(self, answer: Response) -> None:
        with pytest.raises(PrincipalError):
            principal_in(answer)

    def test_an_answer_that_is_trouble_is_said(self) -> None:
        with pytest.raises(UpstreamError):
            principal_in(Response(status=503, headers={}, body=b""))

    @given(st.binary(max_size=300))
    def test_whatever_comes_names_nobody(self, body: bytes) -> None:
        with pytest.raises(PrincipalError):
            principal_in(Response(status=200, headers={}, body=body))


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "arn", "fits"),
        [
            (ROLE, "arn:aws:sts::123456789012:assumed-role/Worker/run", True),
            (ROLE, "arn:aws:sts::123456789012:assumed-role/Workers/run", False),
            (ROLE, "arn:aws:sts::123456789013:assumed-role/Worker/run", False),
            (ROLE, "arn:aws-cn:sts::123456789012:assumed-role/Worker/run", False),
            (
                "arn:aws:iam::123456789012:role/jobs/Worker",
                "arn:aws:sts::123456789012:assumed-role/Worker/run",
                True,
            ),
            (
                "arn:aws:iam::123456789012:role/W*",
                "arn:aws:sts::123456789012:assumed-role/Worker/run",
                True,
            ),
            (
                "arn:aws:sts::123456789012:assumed-role/Worker/run-*",
                "arn:aws:sts::123456789012:assumed-role/Worker/run-1",
                True,
            ),
            (
                "arn:aws:iam::123456789012:role/*",
                "arn:aws:iam::123456789012:user/Worker",
                False,
            ),
            (
                "arn:aws:sts::123456789012:federated-user/bob",
                "arn:aws:sts::123456789012:federated-user/bob",
                True,
            ),
        ],
    )
    def test_principals_fit_their_patterns(self, pattern: str, arn: str, *, fits: bool) -> None:
        principal = principal_of(arn, "AROAEXAMPLE:run", arn.split(":")[4])

        assert admitted([bound(pattern)], principal) is fits

    @pytest.mark.parametrize(
        "pattern",
        [
            "",
            "*",
            "arn:aws:iam::*:role/x",
            "arn:aws:iam::12345678901*:role/x",
            "arn:*:iam::123456789012:role/x",
            "arn:aws:iam::123456789012:*",
            "arn:aws:iam::123456789012:r*/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/jobs/*",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:group/x",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/" + "x" * 2_000,
        ],
    )
    def test_a_pattern_names_account_and_kind(self, pattern: str) -> None:
        with pytest.raises(InputError):
            bound(pattern)

    @given(st.text(max_size=80))
    def test_a_text_is_a_principal_in_full_or_nobody(self, text: str) -> None:
        with pytest.raises(PrincipalError):
            principal_of(text, "AIDA1", "123456789012")

    @given(st.from_regex(r"[A-Za-z0-9_+=,.@-]{1,20}", fullmatch=True), st.text(max_size=20))
    def test_a_pattern_without_a_star_fits_one_name(self, name: str, other: str) -> None:
        arn = f"arn:aws:sts::123456789012:assumed-role/{name}/s"
        principal = principal_of(arn, "AROA1:s", "123456789012")

        assert admitted([bound(f"arn:aws:iam::123456789012:role/{name}")], principal)
        if other != name and "*" not in other:
            assert not admitted([f"arn:aws:iam::123456789012:role/{other}"], principal)


class TestRenewal:
    async def test_the_role_must_still_be_for_the_principal(self, aws: Amazon) -> None:
        mount = await mounted(HttpWeb(), endpoint=aws.url)
        proof = await mount.login(**signed(aws.session, aws.url, server_id=ID))

        async def holds(role: str = proof.role, alias: str = proof.alias) -> object:
            async with mount.call() as call:
                return await Aws(HttpWeb()).still_holds(call, role, alias)

        assert await holds()
        for role in ("", "worker", f"{proof.role} x", proof.role.replace("worker", "gone")):
            with pytest.raises(DeniedError):
                await holds(role)
        with pytest.raises(DeniedError):
            await holds(alias="other")
        await mount.write("role/worker", bound_iam_principal_arn=f"{ROLE}s")
        with pytest.raises(DeniedError):
            await holds()
        await mount.delete("role/worker")
        with pytest.raises(DeniedError):
            await holds()

    @given(st.text(max_size=100))
    def test_whom_a_token_is_for_is_read_as_it_was_written(self, text: str) -> None:
        found = Bound.read(text)

        assert found is None or found.written() == text


class TestConfiguration:
    async def test_settings_are_shown_kept_and_forgotten(self) -> None:
        mount = await mounted(Recording())
        await mount.write("config/client", sts_region="eu-central-1")

        shown = await mount.read("config/client")

        assert (shown["iam_server_id_header_value"], shown["sts_region"]) == (ID, "eu-central-1")
        await mount.delete("config/client")
        with pytest.raises(NotFoundError):
            await mount.read("config/client")
        assert Client(sts_region="cn-north-1").host == "sts.cn-north-1.amazonaws.com.cn"
        assert Client(sts_endpoint="https://sts.Example:443/").host == "sts.example"

    @pytest.mark.parametrize(
        ("path", "given", "message"),
        [
            ("config/client", {"access_key": "AKIA"}, "access_key"),
            ("config/client", {"secret_key": "x"}, "secret_key"),
            ("config/client", {"endpoint": "https://x"}, "endpoint"),
            ("config/client", {"iam_endpoint": "https://x"}, "iam_endpoint"),
            ("config/client", {"role_arn": ROLE}, "role_arn"),
            ("config/client", {"identity_token_audience": "x"}, "identity_token_audience"),
            ("config/client", {"max_retries": 5}, "max_retries"),
            ("config/client", {"sts_endpoint": "http://sts.example"}, "https"),
            ("config/client", {"sts_endpoint": "https://a@sts.example"}, "https"),
            ("config/client", {"sts_endpoint": "https://sts.example/x"}, "path"),
            ("config/client", {"sts_endpoint": "https://sts.example:x"}, "URL"),
            ("config/client", {"sts_endpoint": "junk"}, "https"),
            ("config/client", {"sts_region": "evil.example"}, "region"),
            ("config/client", {"iam_server_id_header_value": "a\nb"}, "header"),
            ("config/client", {"allowed_sts_header_values": "a b"}, "headers"),
            ("config/identity", {"iam_alias": "role_id"}, "iam_alias"),
            ("config/identity", {"iam_alias": "full_arn"}, "iam_alias"),
            ("config/identity", {"iam_metadata": "secret"}, "iam_metadata"),
            ("config/identity", {"ec2_alias": "instance_id"}, "ec2_alias"),
            ("role/x", {}, "bound_iam_principal_arn"),
            ("role/x", {"bound_iam_principal_arn": "*"}, "bound_iam_principal_arn"),
            ("role/worker", {"auth_type": "ec2"}, "auth_type"),
            ("role/worker", {"resolve_aws_unique_ids": True}, "resolve_aws_unique_ids"),
            ("role/worker", {"inferred_entity_type": "ec2_instance"}, "inferred_entity_type"),
            ("role/worker", {"inferred_aws_region": "us-east-1"}, "inferred_aws_region"),
            ("role/worker", {"bound_ami_id": "ami-1"}, "bound_ami_id"),
            ("role/worker", {"role_tag": "x"}, "role_tag"),
            ("role/worker", {"disallow_reauthentication": True}, "disallow_reauthentication"),
            ("role/worker", {"token_policies": "root"}, "root"),
        ],
    )
    async def test_what_is_not_supported_is_refused_by_name(
        self, path: str, given: dict[str, object], message: str
    ) -> None:
        mount = await mounted(Recording())

        with pytest.raises(InputError, match=message):
            await mount.write(path, **given)

    async def test_roles_are_shown_and_listed(self) -> None:
        mount = await mounted(Recording())

        role = await mount.read("role/WORKER")

        assert (role["bound_iam_principal_arn"], role["auth_type"]) == ([ROLE], "iam")
        assert await mount.list("roles") == await mount.list("role") == {"keys": ["worker"]}
        assert await mount.exists("role/worker") is True
        await mount.write("config/identity", iam_metadata="default,client_arn")
        assert (await mount.read("config/identity"))["iam_metadata"] == [
            *("account_id", "auth_type", "client_arn")
        ]


def test_a_workload_logs_in_over_http_with_hvac(aws: Amazon) -> None:
    with servers.strongroom() as server:
        client = hvac.Client(url=server.address, token=server.root)
        client.sys.enable_auth_method("aws")
        client.write_data(
            "auth/aws/config/client",
            data={"sts_endpoint": aws.url, "iam_server_id_header_value": ID},
        )
        client.auth.aws.create_role(
            "worker", auth_type="iam", bound_iam_principal_arn=[ROLE], policies=["default"]
        )
        workload = hvac.Client(url=server.address)
        login = signed(aws.session, aws.url, server_id=ID)

        auth = workload.login("/v1/auth/aws/login", json={"role": "worker", **login})["auth"]

        assert auth["lease_duration"] == 900
        assert auth["metadata"]["canonical_arn"] == ROLE
        assert workload.auth.token.renew_self()["auth"]["lease_duration"] == 900
        told = set()
        for wrong in (
            {"role": "none", **login},
            {"role": "worker", **signed(SOMEBODY, aws.url, server_id=ID)},
            {"role": "worker", **signed(aws.session, aws.url, server_id="other")},
            {"role": "worker", **signed(aws.session, "https://evil.example/", server_id=ID)},
        ):
            with pytest.raises(InvalidRequest) as caught:
                workload.login("/v1/auth/aws/login", json=wrong)
            told.add(str(caught.value).partition(", on")[0])
        assert told == {"permission denied"}
        assert SERVER_ID in aws_utils.generate_sigv4_auth_request(header_value=ID).headers
        client.adapter.close()
        workload.adapter.close()
