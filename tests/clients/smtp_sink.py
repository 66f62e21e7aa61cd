"""A mail server that delivers nothing: it prints what it takes, one JSON object a line.

The first line says where it listens. How it treats a mail depends on the local part of the recipient's address:

    refused…  never takes it (550)
    busy…     takes it the second time (450 at first: greylisting)
    spam…     refuses the content (554)
    slow…     answers after a minute
    dies…     ends the connection after the content, the first time, without an answer
    anything else is taken
"""

import argparse
import asyncio
import datetime
import email
import email.policy
import ipaddress
import json
import logging
import pathlib
import ssl
import tempfile
import warnings

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Sink:
    def __init__(self, wrapped):
        self.wrapped = wrapped
        self.seen = set()

    def first_time(self, address):
        first = address not in self.seen
        self.seen.add(address)
        return first

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 There is no such mailbox"
        if address.startswith("busy") and self.first_time(address):
            return "450 4.2.0 Come back later"
        if address.startswith("slow"):
            await asyncio.sleep(60)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        address = envelope.rcpt_tos[0]
        if address.startswith("spam"):
            return "554 5.7.1 Not wanted"
        if address.startswith("dies") and self.first_time(address):
            server.transport.abort()
            return "250 never arrives"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: message.get_body((kind,)).get_content()
        print(json.dumps({
            "from": envelope.mail_from,
            "to": address,
            "tls": self.wrapped or session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "subject": str(message["Subject"]),
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": part("plain"),
            "html": part("html"),
        }), flush=True)
        return "250 OK"


def authority(name):
    """A private authority, and a certificate of it for `name` and this machine's address, as PEM."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(subject, key, issuer, issuer_key, extension, critical):
        called = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        builder = (x509.CertificateBuilder().subject_name(called(subject)).issuer_name(called(issuer))
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
                   .add_extension(extension, critical))
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Test root", root_key, "Test root", root_key, x509.BasicConstraints(ca=True, path_length=None), True)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = certificate(name, key, "Test root", root_key, names, False)
    key = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return root, leaf + key


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--tls", choices=["none", "starttls", "tls"], default="none")
    arguments.add_argument("--name", default="localhost", help="whom the certificate is for")
    arguments.add_argument("--ca", type=pathlib.Path, help="where the authority's certificate is written")
    arguments.add_argument("--login", help="USER:PASSWORD, without which nothing is taken")
    arguments = arguments.parse_args()

    context = None
    if arguments.tls != "none":
        root, chain = authority(arguments.name)
        arguments.ca.write_bytes(root)
        with tempfile.NamedTemporaryFile() as file:
            file.write(chain)
            file.flush()
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(file.name)

    def authenticate(server, session, envelope, mechanism, data):
        user, password = arguments.login.encode().split(b":", 1)
        return AuthResult(success=(data.login, data.password) == (user, password), handled=False, auth_data=data)

    sink = Sink(wrapped=arguments.tls == "tls")

    def protocol():
        starttls = context if arguments.tls == "starttls" else None
        login = {}
        if arguments.login:
            # Over TLS from the first byte it can't see that there is TLS.
            login = dict(authenticator=authenticate, auth_required=True, auth_require_tls=arguments.tls == "starttls")
        return SMTP(sink, hostname="sink.example", enable_SMTPUTF8=True, tls_context=starttls,
                    require_starttls=starttls is not None, **login)

    loop = asyncio.get_running_loop()
    wrapped = context if arguments.tls == "tls" else None
    server = await loop.create_server(protocol, "127.0.0.1", arguments.port, ssl=wrapped)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


# What goes wrong here is what the tests want to go wrong.
logging.disable()
warnings.simplefilter("ignore")
asyncio.run(main())
