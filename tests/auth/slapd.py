"""OpenLDAP's slapd on free loopback ports, with a small company in it.

Trust  Its data, keys and passwords are made for the test and gone after it. Debian's own
       instance, if there is one, is never looked for.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import servers

BASE = "dc=example,dc=test"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
OPEN = f"ou=open,{BASE}"  # what anonymous clients may read
SERVICE = f"cn=service,{BASE}"
SERVICE_PASSWORD = "what only the service knows"
PASSWORD = "correct horse battery staple"
# Names that would change a filter or a distinguished name if they were put there as they are.
STRANGE = (
    "star*",
    "paren)(uid=*",
    "back\\slash",
    "comma, plus+",
    "#hash",
    'quo"te',
    "gr\u00fc\u00dfe",
)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority in PEM, and what it has issued as files."""

    folder: Path
    pem: str
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    def issue(self, label: str, *hosts: str) -> tuple[Path, Path]:
        """Issue a certificate for these hosts; return the files of certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.IPAddress(ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts
        ]
        made = _built(x509.Name([_common(label)]), self.name, key, self.key, names)
        return self._kept(label, made, key)

    def _kept(
        self, label: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> tuple[Path, Path]:
        certificate, secret = self.folder / f"{label}.pem", self.folder / f"{label}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret


def authority(folder: Path, label: str = "authority") -> Authority:
    """Make a certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([_common(label)])
    made = _built(name, name, key, key, None)
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    (folder / f"{label}.pem").write_text(pem)
    return Authority(folder=folder, pem=pem, key=key, name=name)


def _common(label: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, label)


def _built(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName] | None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    elif names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


@dataclass(frozen=True, kw_only=True)
class Directory:
    """A running slapd."""

    port: int
    tls_port: int
    authority: Authority

    @property
    def url(self) -> str:
        """Where it speaks in the clear, and StartTLS."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Where it speaks TLS."""
        return f"ldaps://localhost:{self.tls_port}"

    def searching(self, **more: object) -> dict[str, object]:
        """Return the configuration of a mount that searches by the service account."""
        return {
            "url": self.url,
            "userdn": PEOPLE,
            "userattr": "uid",
            "binddn": SERVICE,
            "bindpass": SERVICE_PASSWORD,
            "groupdn": GROUPS,
            "connection_timeout": "5s",
            "request_timeout": "20s",
        } | more

    def by_name(self, **more: object) -> dict[str, object]:
        """Return the configuration of a mount without an account that searches."""
        given = self.searching(**more)
        return {k: v for k, v in given.items() if k not in ("binddn", "bindpass")}

    def change(self, ldif: str) -> None:
        """Change entries, as the directory's own administrator."""
        command = ["ldapmodify", "-x", "-H", self.url, "-D", f"cn=root,{BASE}", "-w", "root"]
        subprocess.run(command, input=ldif.encode(), check=True, capture_output=True)


@contextmanager
def slapd() -> Iterator[Directory]:
    """Start a directory; MissingError where slapd is not installed and cannot be."""
    program = servers.obtained("slapd", "slapd", lambda: _found("slapd"))
    servers.obtained("ldapmodify", "ldap-utils", lambda: _found("ldapmodify"))
    with servers.scratch("strongroom-slapd-") as folder:
        made = authority(folder)
        made.issue("server", "localhost", "127.0.0.1")
        (folder / "data").mkdir()
        (folder / "slapd.conf").write_text(_settings(folder))
        (folder / "company.ldif").write_text(company(), encoding="utf-8")
        load = [str(program.with_name("slapadd")), "-q", "-f", str(folder / "slapd.conf")]
        done = subprocess.run(
            [*load, "-l", str(folder / "company.ldif")], check=False, capture_output=True
        )
        if done.returncode:
            raise servers.StartError(done.stderr.decode(errors="replace")[-2_000:])
        for last in (False,) * (servers.PORT_TRIES - 1) + (True,):
            directory = Directory(
                port=servers.free_port(), tls_port=servers.free_port(), authority=made
            )
            listen = f"{directory.url}/ ldaps://127.0.0.1:{directory.tls_port}/"
            command = [str(program), "-d", "0", "-h", listen, "-f", str(folder / "slapd.conf")]
            log = folder / "log"
            with servers.running(servers.as_user(None, command), log) as process:
                try:
                    _await(process, directory.port, log)
                except servers.StartError:
                    if last:
                        raise
                    continue  # somebody took a port between our look and its start
                yield directory
                return


def _found(name: str) -> Path | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + servers.START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise servers.StartError(log.read_text(errors="replace")[-2_000:])


def _settings(folder: Path) -> str:
    schemas = "".join(
        f"include /etc/ldap/schema/{name}.schema\n"
        for name in ("core", "cosine", "nis", "inetorgperson", "msuser")
    )
    return f"""{schemas}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/pid
TLSCACertificateFile {folder}/authority.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
TLSVerifyClient allow
sizelimit 100
sizelimit size.prtotal=unlimited
database mdb
suffix "{BASE}"
rootdn "cn=root,{BASE}"
rootpw root
directory {folder}/data
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="{OPEN}" by * read
access to * by users read by * none
overlay ppolicy
ppolicy_use_lockout
"""


def entry(name: str, *lines: str) -> str:
    """Return an entry in LDIF."""
    return "\n".join((f"dn: {name}", *lines)) + "\n\n"


def person(uid: str, where: str = PEOPLE, *more: str, password: str = PASSWORD) -> str:
    """Return a person in LDIF; the name may hold anything."""
    dn = "uid=" + "".join(c if c.isalnum() and c.isascii() else _hex(c) for c in uid) + f",{where}"
    lines = ("objectClass: inetOrgPerson", f"uid:: {_base64(uid)}", f"cn:: {_base64(uid)}")
    return entry(dn, *lines, "sn: X", f"userPassword: {password}", *more)


def company() -> str:
    """Return everybody and everything in LDIF."""
    groups = (
        entry(
            f"cn=Admins,{GROUPS}",
            "objectClass: groupOfNames",
            f"member: uid=alice,{PEOPLE}",
            f"member: uid=carol,{OPEN}",
        ),
        entry(
            f"cn=dev,{GROUPS}",
            "objectClass: posixGroup",
            "gidNumber: 1",
            "memberUid: alice",
            "memberUid: bob",
        ),
        entry(
            f"cn=auditors,{GROUPS}",
            "objectClass: groupOfUniqueNames",
            f"uniqueMember: uid=bob,{PEOPLE}",
        ),
        *(
            entry(
                f"cn=g{number:03},{GROUPS}",
                "objectClass: groupOfNames",
                f"member: uid=many,{PEOPLE}",
            )
            for number in range(250)
        ),
    )
    return "".join(
        (
            entry(BASE, "objectClass: domain", "dc: example"),
            *(
                entry(dn, "objectClass: organizationalUnit", f"ou: {dn[3:].partition(',')[0]}")
                for dn in (PEOPLE, GROUPS, OPEN, f"ou=sub,{PEOPLE}")
            ),
            entry(
                SERVICE,
                "objectClass: organizationalRole",
                "objectClass: simpleSecurityObject",
                "cn: service",
                f"userPassword: {SERVICE_PASSWORD}",
            ),
            person("alice", PEOPLE, "mail: alice@example.test"),
            person("bob", password="bob's own"),
            person("many"),
            person("twin"),
            person("twin", f"ou=sub,{PEOPLE}"),
            person("carol", OPEN),
            person("barred", PEOPLE, "pwdAccountLockedTime: 000001010000Z"),
            person("gone"),
            person("named", PEOPLE, "uid: second-name"),
            *(person(name) for name in STRANGE),
            *groups,
        )
    )


def _hex(character: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in character.encode())


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
