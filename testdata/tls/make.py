"""Makes the certificates of the tests of `avro-sql worker` (needs `cryptography`). The keys protect nothing."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = pathlib.Path(__file__).parent


def year(n):
    return datetime.datetime(n, 1, 1, tzinfo=datetime.timezone.utc)


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def certificate(subject, issuer, until):
    """Writes NAME.pem, and NAME.key unless it is an authority; `issuer` is the name and key of one."""
    key = ec.generate_private_key(ec.SECP256R1())
    is_authority = issuer is None
    issuer_name, issuer_key = issuer or (subject, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(year(2020))
        .not_valid_after(year(until))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names = [x509.DNSName("localhost"), x509.DNSName("worker.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (HERE / f"{subject}.key").write_bytes(key.private_bytes(*pem))
    made = builder.sign(issuer_key, hashes.SHA256())
    (HERE / f"{subject}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return subject, key


ca = certificate("ca", None, 2120)
other = certificate("other", None, 2120)
certificate("worker", ca, 2120)
certificate("client", ca, 2120)
certificate("expired", ca, 2021)
